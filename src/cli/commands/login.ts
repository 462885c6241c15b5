/**
 * `claviger login`: keeps an endpoint and a token as a profile, once the server has taken the token.
 *
 * The token comes from standard input, or is typed unseen: on a command line it would stand in the process list and in
 * the shell's history.
 *
 * @module
 */
import { ClavigerClient } from '../../client/index.ts';
import { ClavigerError } from '../../errors.ts';
import { CliCommand } from '../command.ts';
import { isPrivate, requireEndpoint } from '../connection.ts';
import { readInput } from '../input.ts';
import { DEFAULT_PROFILE, profilesPath, readProfiles, requireProfileName, writeProfiles } from '../profiles.ts';
import { askSecret } from '../prompt.ts';
import type { GlobalOptions, Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';

const TOKEN_BYTES_MAX = 4096;

export function loginCommand(): CliCommand {
  return new CliCommand('login')
    .description('Keep an endpoint and a token for later; the token is asked for, or read from standard input')
    .examples(
      'claviger login --endpoint https://kms.example.com:8550',
      'claviger login --profile staging --endpoint https://kms.staging.example.com < token.txt',
    )
    .run(login);
}

async function login(session: Session, options: GlobalOptions): Promise<void> {
  const { terminal } = session;
  const name = requireProfileName(options.profile ?? DEFAULT_PROFILE);
  const profiles = readProfiles(terminal.env);
  const wanted = options.endpoint ?? (terminal.env['CLAVIGER_ENDPOINT'] || profiles[name]?.endpoint);
  if (wanted === undefined)
    throw new UsageError('say which server: --endpoint https://kms.example.com:8550', 'claviger login');
  const endpoint = requireEndpoint(wanted);
  if (!isPrivate(endpoint)) {
    terminal.say(
      `${terminal.styled('yellow', 'warning:', 'errors')} ${endpoint} is plain HTTP; the token and every plaintext can be read on the way`,
    );
  }
  const token = await readToken(session, endpoint);
  await requireValid(endpoint, token);
  writeProfiles(terminal.env, { ...profiles, [name]: { endpoint, token } });
  const path = profilesPath(terminal.env);
  session.answer(
    { profile: name, endpoint, file: path },
    () => `logged in to ${endpoint}; profile \`${name}\` is in ${path}`,
  );
}

async function readToken({ terminal }: Session, endpoint: string): Promise<string> {
  const text = terminal.input.isTty
    ? await askSecret(terminal, `Token for ${endpoint}: `)
    : (await readInput(terminal, undefined, TOKEN_BYTES_MAX, 'a token is shorter')).toString();
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    token === '' ? 'no token was given' : 'this is no token: a token is one word, `clv_…`',
  );
}

/** A token is valid where the server knows it, whatever it may do. */
async function requireValid(endpoint: string, token: string): Promise<void> {
  try {
    await new ClavigerClient({ endpoint, token }).listKeys({ limit: 1 });
  } catch (error) {
    if (error instanceof ClavigerError && error.code === 'PERMISSION_DENIED') return;
    throw error;
  }
}
