/**
 * clearProvider: has a provider called again that was left alone, once an operator has set right what was wrong with it.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { printable } from '../model/ids.ts';
import type { Operation } from './operation.ts';
import { providerHealth, type ProviderHealth } from './provider-health.ts';

export interface ClearProviderInput {
  readonly provider: string;
}

export const clearProvider: Operation<ClearProviderInput, ProviderHealth> = {
  name: 'ClearProvider',
  run(scope, { provider: name }) {
    scope.manageTenant();
    scope.note({ resource: `provider/${name.slice(0, 63)}` });
    const guard = scope.services.homes.guards.find((candidate) => candidate.name === name);
    if (guard === undefined) throw new ClavigerError('NOT_FOUND', `no provider \`${printable(name)}\` is configured`);
    // A dry run, or a decision that is made again, clears nothing more than it would: clearing twice is clearing once.
    if (!scope.call.dryRun) guard.clear();
    return { output: providerHealth(guard, true) };
  },
};
