/**
 * `claviger logout`: forgets a profile. The token stays valid until it is revoked.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { DEFAULT_PROFILE, readProfiles, requireProfileName, writeProfiles } from '../profiles.ts';
import type { GlobalOptions, Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';

export function logoutCommand(): CliCommand {
  return new CliCommand('logout')
    .description('Forget a profile; its token stays valid until it is revoked')
    .examples('claviger logout --profile staging')
    .run(logout);
}

function logout(session: Session, options: GlobalOptions): void {
  const { env } = session.terminal;
  const name = requireProfileName(options.profile ?? DEFAULT_PROFILE);
  const { [name]: gone, ...rest } = readProfiles(env);
  if (gone === undefined) throw new UsageError(`there is no profile \`${name}\``);
  writeProfiles(env, rest);
  session.answer(
    { profile: name, endpoint: gone.endpoint },
    () => `logged out of ${gone.endpoint}; \`claviger token revoke\` ends the token itself`,
  );
}
