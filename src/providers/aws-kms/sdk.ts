/**
 * AWS's clients, kept from looking around.
 *
 * @module
 */

/** What AWS's clients would read from the environment and from `~/.aws/config`, with a value of ours for each. */
export const NOTHING_AMBIENT = {
  ignoreConfiguredEndpointUrls: true,
  useDualstackEndpoint: false,
  defaultsMode: 'standard',
  retryMode: 'standard',
  authSchemePreference: [] as string[],
  userAgentAppId: 'claviger',
} as const;
