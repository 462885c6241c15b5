/**
 * AWS's packages: loaded when they are needed, and kept from looking around.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';

/** What AWS's clients would read from the environment and from `~/.aws/config`, with a value of ours for each. */
export const NOTHING_AMBIENT = {
  ignoreConfiguredEndpointUrls: true,
  useDualstackEndpoint: false,
  defaultsMode: 'standard',
  retryMode: 'standard',
  authSchemePreference: [] as string[],
  userAgentAppId: 'claviger',
} as const;

/**
 * A package that only whoever has such a provider needs.
 *
 * @throws PROVIDER_MISCONFIGURED with the command that installs it
 */
export async function loadPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new ClavigerError(
      'PROVIDER_MISCONFIGURED',
      `a provider of kind \`aws-kms\` needs the package \`${name}\`: npm install ${name}`,
      { cause },
    );
  }
}
