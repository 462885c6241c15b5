/**
 * Opens a token: looks at what can be looked at without it, then starts its hosts.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { ClavigerError } from '../../errors.ts';
import type { Adapter, ProviderPorts } from '../adapter.ts';
import { loadPackages } from '../packages.ts';
import { Canary } from './canary.ts';
import { pkcs11Schema, type Pkcs11Config } from './config.ts';
import { hostError } from './errors.ts';
import { LoginGate } from './login-gate.ts';
import { PROFILES, type Profile } from './profiles.ts';
import { Pkcs11Provider } from './provider.ts';
import { Supervisor } from './supervisor.ts';

/** A token that is not ready by then is no reason not to start. */
const READY_WAIT_MS = 5000;
/** Making the canary, once in the life of a token. */
const CANARY_MS = 30_000;

/** A token behind a PKCS#11 library: an HSM, or SoftHSM. */
export const pkcs11: Adapter<Pkcs11Config> = {
  kind: 'pkcs11',
  schema: pkcs11Schema,
  open: (config, ports) => openPkcs11(config, ports),
};

export interface Pkcs11Opening {
  /** What is known of the vendor, where that is not what the configuration names. */
  readonly profile?: Profile;
  /** How long to wait for a host that is ready; it is opened all the same when there is none by then. */
  readonly readyWaitMs?: number;
}

/**
 * @throws PROVIDER_MISCONFIGURED where package, library or PIN cannot be right
 */
export async function openPkcs11(
  config: Pkcs11Config,
  ports: ProviderPorts,
  { profile = PROFILES[config.profile], readyWaitMs = READY_WAIT_MS }: Pkcs11Opening = {},
): Promise<Pkcs11Provider> {
  await loadPackages(config.name, ['pkcs11js'], () => createRequire(import.meta.url).resolve('pkcs11js'));
  const library = requireLibrary(config, profile);
  requirePin(config, profile);
  const { name, tokenLabel, tokenSerial = null, pin, canary } = config;
  const { log } = ports;
  if (!profile.tested) {
    log.write(
      'warn',
      `provider \`${name}\`: the profile \`${config.profile}\` is untested: nobody has tried it on a device`,
    );
  }
  const supervisor: Supervisor = new Supervisor({
    provider: name,
    pin,
    gate: LoginGate.of(library, tokenLabel, tokenSerial, profile.userType),
    canary: canary.enabled ? new Canary(canary.fingerprint ?? null) : null,
    canaryEveryMs: canary.everySeconds * 1000,
    deadlineMs: config.deadlineMs ?? profile.deadlineMs,
    throttleCodes: profile.throttleCodes,
    newKeysVisible: profile.newKeysVisible,
    hosts: config.hosts ?? profile.hosts,
    settings: {
      env: { ...profile.env, ...config.env },
      start: {
        library,
        tokenLabel,
        tokenSerial,
        userType: profile.userType,
        lanes: config.lanes ?? profile.lanes,
        asynchronous: profile.asynchronous,
        readWrite: profile.rwSessionsOnly,
        inputBytesMax: profile.maxDataBytes,
      },
    },
    log,
    makeCanary: () => makeCanary(provider, log),
  });
  const provider = new Pkcs11Provider(name, profile, supervisor, ports.random);
  await supervisor.start(readyWaitMs);
  return provider;
}

async function makeCanary(provider: Pkcs11Provider, log: ProviderPorts['log']): Promise<void> {
  const { name } = provider;
  try {
    await provider.makeCanary({ signal: AbortSignal.timeout(CANARY_MS), timeoutMs: CANARY_MS });
  } catch (error) {
    const why = error instanceof ClavigerError ? error.message : 'an internal error';
    log.write('warn', `provider \`${name}\`: no canary could be made, so a zeroized token is found late: ${why}`);
  }
}

function requireLibrary({ name, library, profile }: Pkcs11Config, { library: usual }: Profile): string {
  const path = library ?? usual;
  if (path === null) {
    throw hostError(name, 'PROVIDER_MISCONFIGURED', `the profile \`${profile}\` needs \`library\``, 'LIBRARY');
  }
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch {
    const message = `the library \`${path}\` cannot be read; install the vendor’s client, or set \`library\``;
    throw hostError(name, 'PROVIDER_MISCONFIGURED', message, 'LIBRARY');
  }
}

/** A PIN of the wrong form would cost one of few attempts. */
function requirePin({ name, pin }: Pkcs11Config, { pinPattern, pinFormat }: Profile): void {
  if (pinPattern === null || pinPattern.test(pin)) return;
  throw hostError(name, 'PROVIDER_MISCONFIGURED', `the PIN has not the form of this vendor: ${pinFormat}`, 'PIN');
}
