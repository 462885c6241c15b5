/**
 * All peers, by the name under which tests ask for them.
 *
 * @module
 */
import { type DiskShimPaths, diskShim } from './disk-shim.ts';
import { type EsdkPaths, esdk } from './esdk.ts';
import { type MotoPaths, moto } from './moto.ts';
import { type GoPaths, golog, goverify, gowitness } from './go.ts';
import { type KafkaPaths, kafka } from './kafka.ts';
import { type LocalKmsPaths, localKms } from './local-kms.ts';
import type { Peer } from './peer.ts';
import { type Pkcs11FaultsPaths, pkcs11Faults } from './pkcs11-faults.ts';
import { type PostgresPaths, postgres } from './postgres.ts';
import { type PrismaPaths, prisma } from './prisma.ts';
import { type PrometheusPaths, prometheus } from './prometheus.ts';
import { type FolderPaths, type PythonPaths, python, vectors } from './python.ts';
import { type RsyslogPaths, rsyslog } from './rsyslog.ts';
import { type SmtpPaths, smtp } from './smtp.ts';
import { type SoftHsmPaths, softhsm } from './softhsm.ts';
import { type ProgramPaths, curl, openssl } from './system.ts';
import { type VaultPaths, vault } from './vault.ts';
import { wycheproof } from './wycheproof.ts';

/** What a test gets of each peer. */
export interface PeerPaths {
  readonly python: PythonPaths;
  readonly vectors: FolderPaths;
  readonly wycheproof: FolderPaths;
  readonly goverify: GoPaths;
  readonly golog: GoPaths;
  readonly gowitness: GoPaths;
  readonly curl: ProgramPaths;
  readonly openssl: ProgramPaths;
  readonly postgres: PostgresPaths;
  readonly prisma: PrismaPaths;
  readonly prometheus: PrometheusPaths;
  readonly smtp: SmtpPaths;
  readonly softhsm: SoftHsmPaths;
  readonly 'pkcs11-faults': Pkcs11FaultsPaths;
  readonly 'disk-shim': DiskShimPaths;
  readonly moto: MotoPaths;
  readonly esdk: EsdkPaths;
  readonly 'local-kms': LocalKmsPaths;
  readonly kafka: KafkaPaths;
  readonly rsyslog: RsyslogPaths;
  readonly vault: VaultPaths;
}

export type PeerName = keyof PeerPaths;

export const PEERS: { readonly [Name in PeerName]: Peer<PeerPaths[Name]> } = {
  python,
  vectors,
  wycheproof,
  goverify,
  golog,
  gowitness,
  curl,
  openssl,
  postgres,
  prisma,
  prometheus,
  smtp,
  softhsm,
  'pkcs11-faults': pkcs11Faults,
  'disk-shim': diskShim,
  moto,
  esdk,
  'local-kms': localKms,
  kafka,
  rsyslog,
  vault,
};

export const PEER_NAMES = Object.keys(PEERS) as readonly PeerName[];
