/**
 * Certificates for one test, made by openssl: an authority, and what it signs.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  /** Its own certificate. */
  readonly ca: string;
  /** A certificate for localhost, and for 127.0.0.1 or the address that is given. */
  issue(name: string, address?: string): CertificateFiles;
}

/** An authority whose files lie in a folder, under names that begin with `name`. */
export function newAuthority(openssl: string, folder: string, name: string): Authority {
  const run = (...args: readonly string[]): void => void execFileSync(openssl, args, { stdio: 'ignore' });
  const file = (suffix: string): string => join(folder, `${name}-${suffix}`);
  const newKey = (out: string): readonly string[] => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    out,
  ];
  const ca = file('ca.pem');
  run('req', '-x509', ...newKey(file('ca.key')), '-subj', `/CN=${name}`, '-days', '2', '-out', ca);
  return {
    ca,
    issue: (subject, address = '127.0.0.1') => {
      const [certificate, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((suffix) =>
        file(`${subject}.${suffix}`),
      ) as [string, string, string, string];
      writeFileSync(extensions, `subjectAltName=IP:${address},DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n`);
      run('req', ...newKey(key), '-subj', `/CN=${subject}`, '-out', request);
      const signer = ['-CA', ca, '-CAkey', file('ca.key'), '-CAcreateserial'];
      run('x509', '-req', '-in', request, ...signer, '-days', '2', '-extfile', extensions, '-out', certificate);
      return { certificate, key };
    },
  };
}
