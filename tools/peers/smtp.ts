/**
 * A mail server: aiosmtpd, in a virtual environment of its own; smtp.py runs it.
 *
 * @module
 */
import { join } from 'node:path';
import { mustRun, run } from '../run.ts';
import { installDebian } from './debian.ts';
import { exists, type Peer } from './peer.ts';

const PACKAGES = ['aiosmtpd==1.4.6', 'atpublic==7.0.0', 'attrs==25.4.0'] as const;

export interface SmtpPaths {
  /** Command line of the server; what it takes and says is told in its header. */
  readonly server: readonly string[];
}

export const smtp: Peer<SmtpPaths> = {
  about: 'aiosmtpd, a mail server that demands STARTTLS and a login, for alerts by e-mail',
  home: 'smtp',
  pin: PACKAGES.join(' '),
  install: async (folder, say) => {
    if (!(await run('python3', ['-c', 'import venv, ensurepip'])).ok)
      await installDebian(['python3', 'python3-venv'], say);
    say(`pip install ${PACKAGES.join(' ')}`);
    await mustRun('python3', ['-m', 'venv', '--clear', folder]);
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:'];
    await mustRun(join(folder, 'bin', 'python'), [...pip, ...PACKAGES]);
  },
  find: async (folder) => {
    const python = join(folder, 'bin', 'python');
    return (await exists(python)) ? { server: [python, join(import.meta.dirname, 'smtp.py')] } : null;
  },
};
