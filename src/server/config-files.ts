/**
 * What a configuration names on the disk, looked at before a server starts on it.
 *
 * @module
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { requireSinks } from '../audit/sinks/open.ts';
import type { SinkOptions } from '../audit/sinks/options.ts';
import { ClavigerError } from '../errors.ts';
import { PolicyEngine } from '../policy/engine.ts';
import { systemClock } from '../ports/clock.ts';
import { alertsSetup } from './alerts-config.ts';
import { filesOfProviders, type Config } from './config.ts';
import { readCertificate } from './http-server.ts';

/** @throws INVALID_ARGUMENT for certificate files, policies, sinks, alert channels or providers that would not work */
export function requireUsableFiles(config: Config): void {
  const { tls, policies, audit, alerts } = config;
  if (tls !== undefined) readCertificate(tls);
  if (policies !== undefined) PolicyEngine.load({ folder: policies });
  alertsSetup(alerts).channels(systemClock);
  requireSinks(audit.sinks);
  for (const sink of audit.sinks) {
    for (const file of filesOf(sink)) requireThere(`the sink \`${sink.name}\``, file);
  }
  for (const { place, file } of filesOfProviders(config)) requireThere(`\`${place}\``, file);
}

/** What a sink needs on the disk. */
function filesOf(sink: SinkOptions): readonly string[] {
  if (sink.kind === 'file') return [dirname(sink.path)];
  const { ca, certificate, key } = ('tls' in sink ? sink.tls : null) ?? {};
  return [ca, certificate, key].filter((file) => file !== undefined);
}

function requireThere(what: string, file: string): void {
  try {
    statSync(file);
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `${what} needs \`${file}\`: ${(cause as Error).message}`, {
      cause,
    });
  }
}
