/**
 * What a configuration names on the disk, looked at before a server starts on it.
 *
 * @module
 */
import { PolicyEngine } from '../policy/engine.ts';
import type { Config } from './config.ts';
import { readCertificate } from './http-server.ts';

/** @throws INVALID_ARGUMENT for certificate files or policies that a start would fail on */
export function requireUsableFiles({ tls, policies }: Config): void {
  if (tls !== undefined) readCertificate(tls);
  if (policies !== undefined) PolicyEngine.load({ folder: policies });
}
