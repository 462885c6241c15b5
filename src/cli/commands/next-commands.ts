/**
 * What `claviger dev` says to type next: one command each with claviger, the AWS CLI and curl. They work as they are
 * printed, in this order, at the first start and at any later one.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';
import { ClavigerClient } from '../../client/index.ts';
import { ClavigerError } from '../../errors.ts';
import type { DevCredentials } from '../../server/run.ts';
import { readProfiles } from '../profiles.ts';
import type { Terminal } from '../terminal.ts';

const ALIAS = 'my-first-key';
/** `hello`, which every shell leaves alone. */
const PLAINTEXT = Buffer.from('hello').toString('base64');

/** @param credentialsFile of the server that has just started */
export async function nextCommands(terminal: Terminal, credentialsFile: string): Promise<readonly string[]> {
  const credentials = JSON.parse(readFileSync(credentialsFile, 'utf8')) as DevCredentials;
  const state = await firstKey(credentials);
  const claviger = clavigerCommand(terminal, credentialsFile);
  if (state === 'unusable') return [`${claviger} random 32`, awsRandom(credentials), curlRandom(credentials)];
  return [
    state === 'missing'
      ? `${claviger} keys create --spec AES-256-GCM --alias ${ALIAS}`
      : `echo hello | ${claviger} encrypt --key alias:${ALIAS} --base64`,
    awsEncrypt(credentials),
    curlEncrypt(credentials),
  ];
}

/** Whether the key of the example is there. */
async function firstKey({ endpoint, token }: DevCredentials): Promise<'missing' | 'usable' | 'unusable'> {
  try {
    const client = new ClavigerClient({ endpoint, token });
    const { state, deletionAt, spec, usage } = await client.describeKey({ key: `alias:${ALIAS}` });
    const usable = state === 'Active' && deletionAt === null && spec === 'AES-256-GCM' && usage === 'encrypt-decrypt';
    return usable ? 'usable' : 'unusable';
  } catch (error) {
    if (error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND') return 'missing';
    return 'unusable';
  }
}

/** How this program is called here, so that it finds the credentials. */
function clavigerCommand({ env, folder }: Terminal, credentialsFile: string): string {
  const dataFolder = resolve(credentialsFile, '..');
  const usual = dataFolder === resolve(folder, 'claviger-data');
  const program = `${usual ? '' : `CLAVIGER_DATA_DIR=${quoted(dataFolder)} `}${programName(env, folder)}`;
  // Whoever has a profile, or a server in the environment, would reach that one.
  const elsewhere = ['CLAVIGER_ENDPOINT', 'CLAVIGER_TOKEN', 'CLAVIGER_PROFILE'].some((name) => env[name]);
  return elsewhere || hasProfiles(env) ? `${program} --profile dev` : program;
}

function hasProfiles(env: Terminal['env']): boolean {
  try {
    return Object.keys(readProfiles(env)).length > 0;
  } catch {
    return true;
  }
}

/** `npx claviger` where npx finds it, `claviger` where the shell does, else the file itself. */
function programName(env: Terminal['env'], folder: string): string {
  if (existsSync(join(folder, 'node_modules', '.bin', 'claviger'))) return 'npx claviger';
  const installed = (env['PATH'] ?? '')
    .split(delimiter)
    .some((path) => !path.includes('node_modules') && !path.includes('_npx') && existsSync(join(path, 'claviger')));
  if (installed) return 'claviger';
  if (env['npm_command'] === 'exec') return 'npx claviger';
  const file = process.argv[1] ?? 'bin/claviger.js';
  const near = relative(folder, file);
  return `node ${quoted(near.startsWith('..') ? file : near)}`;
}

function awsEncrypt(credentials: DevCredentials): string {
  return `${aws(credentials, 'encrypt')} --key-id alias/${ALIAS} --plaintext ${PLAINTEXT}`;
}

function awsRandom(credentials: DevCredentials): string {
  return `${aws(credentials, 'generate-random')} --number-of-bytes 32`;
}

function aws({ endpoint, region, awsAccessKeyId, awsSecretAccessKey }: DevCredentials, verb: string): string {
  const keys = `AWS_ACCESS_KEY_ID=${quoted(awsAccessKeyId)} AWS_SECRET_ACCESS_KEY=${quoted(awsSecretAccessKey)}`;
  return `${keys} aws kms ${verb} --endpoint-url ${endpoint} --region ${region}`;
}

function curlEncrypt(credentials: DevCredentials): string {
  return curl(credentials, `/v1/keys/alias:${ALIAS}:encrypt`, { plaintext: PLAINTEXT });
}

function curlRandom(credentials: DevCredentials): string {
  return curl(credentials, '/v1/random', { bytes: 32 });
}

function curl({ endpoint, token }: DevCredentials, path: string, body: object): string {
  return `curl -sS -H 'Authorization: Bearer ${token}' -d '${JSON.stringify(body)}' ${endpoint}${path}`;
}

/** A word of a shell's command line. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
