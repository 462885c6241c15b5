/**
 * Python with the AWS CLI, boto3 and `cryptography`, in one virtual environment; and NIST's vectors, which come with it.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mustRun, run } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, type Say, exists, programPath } from './peer.ts';

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');

export interface PythonPaths {
  /** The interpreter, with boto3, botocore and cryptography. */
  readonly python: string;
  /** The AWS CLI. */
  readonly aws: string;
  /** Command line of verify.py, for `askVerifier`. */
  readonly verifier: readonly string[];
}

export interface FolderPaths {
  readonly folder: string;
}

export const python: Peer<PythonPaths> = {
  about: 'AWS CLI and boto3 against our AWS endpoint; `cryptography` as an independent implementation',
  home: 'python',
  pin: pinOf(readFileSync(REQUIREMENTS, 'utf8')),
  install,
  find: async (folder) => {
    const interpreter = join(folder, 'bin', 'python');
    const aws = join(folder, 'bin', 'aws');
    if (!(await exists(interpreter)) || !(await exists(aws))) return null;
    return { python: interpreter, aws, verifier: [interpreter, join(import.meta.dirname, 'verify.py')] };
  },
};

/** The folder of the package `cryptography_vectors`: `ciphers/`, `keywrap/`, `asymmetric/`, `KDF/`, `HMAC/`, … */
export const vectors: Peer<FolderPaths> = {
  ...python,
  about: "NIST's CAVP vectors, as PyPI's cryptography_vectors",
  find: async (folder) => {
    for await (const found of glob('lib/python3.*/site-packages/cryptography_vectors', { cwd: folder })) {
      return { folder: join(folder, found) };
    }
    return null;
  },
};

function install(folder: string, say: Say): Promise<void> {
  return installEnvironment(folder, REQUIREMENTS, 'about 400 MB on disk', say);
}

/** A virtual environment in a folder, with the packages of a requirements file, all of them pinned. */
export async function installEnvironment(folder: string, requirements: string, size: string, say: Say): Promise<void> {
  if (!(await canMakeEnvironments())) await installDebian(['python3', 'python3-venv'], say);
  say('python3 -m venv');
  await mustRun('python3', ['-m', 'venv', '--clear', folder]);
  say(`pip install -r ${basename(requirements)} (${size})`);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:'];
  await mustRun(join(folder, 'bin', 'python'), [...pip, '-r', requirements], {
    onLine: (line) => {
      if (/^(?:Downloading|Installing|Successfully)/u.test(line.trim())) say(line.trim().slice(0, 120));
    },
  });
}

async function canMakeEnvironments(): Promise<boolean> {
  if ((await programPath('python3')) === null) return false;
  return (await run('python3', ['-c', 'import venv, ensurepip'])).ok;
}

/** The two versions a reader asks for, and a hash of all of them. */
function pinOf(requirements: string): string {
  const named = ['awscli', 'boto3', 'cryptography'].map(
    (name) => new RegExp(`^${name}==.*$`, 'mu').exec(requirements)?.[0] ?? name,
  );
  return `${named.join(' ')} (${hash('sha256', requirements).slice(0, 8)})`;
}
