/**
 * Packages that only whoever has a provider of that kind needs.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

/**
 * What `load` imports.
 *
 * @param names of the packages, for the command that installs them
 * @throws PROVIDER_MISCONFIGURED with that command
 */
export async function loadPackages<T>(
  provider: string,
  names: readonly [string, ...string[]],
  load: () => T | Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const what = names.length === 1 ? `the package \`${names[0]}\`` : 'packages';
    throw new ClavigerError(
      'PROVIDER_MISCONFIGURED',
      `provider \`${provider}\` needs ${what}, which cannot be loaded; run \`npm install ${names.join(' ')}\``,
      { native: { provider, code: 'MODULE_NOT_FOUND', requestId: null }, cause },
    );
  }
}
