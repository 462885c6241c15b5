/**
 * `claviger edit`: what the editor gets, what becomes of it, and that no plaintext is left, however it ends.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BINARY, runShell, startCli, startCliWorld, type CliRun, type CliWorld } from '../support/cli.ts';

const PLAIN = '# the database\npassword: hunter2-secret\nport: 80\n';

let world: CliWorld;
let env: Record<string, string>;
/** Where plaintexts are meanwhile; of this test alone. */
let memory: string;
before(async () => {
  world = await startCliWorld();
  await world.server.client.createKey({ spec: 'AES-256-GCM', alias: 'config' });
  memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : world.folder, 'claviger-memory-'));
  env = { CLAVIGER_ENDPOINT: world.server.endpoint, CLAVIGER_TOKEN: world.server.token, XDG_RUNTIME_DIR: memory };
});
after(async () => {
  rmSync(memory, { recursive: true });
  await world.stop();
});

async function sealedFile(name: string): Promise<string> {
  const path = join(world.folder, name);
  writeFileSync(path, PLAIN);
  await world.ok(['seal', '--key', 'alias:config', '--in-place', path]);
  return path;
}

/** A program that is an editor: it is given the file as $1. */
function editor(name: string, script: string): string {
  const path = join(world.folder, name);
  writeFileSync(path, `#!/bin/bash\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function edit(path: string, script: string, more: Record<string, string> = {}): Promise<CliRun> {
  const EDITOR = editor(`editor-${Math.random().toString(36).slice(2)}`, script);
  return world.run(['edit', path], { env: { ...env, EDITOR, ...more } });
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** Folders of ours that are left in memory. */
function left(): readonly string[] {
  return readdirSync(memory);
}

/** A folder goes a moment after its process was killed. */
async function untilNothingIsLeft(): Promise<void> {
  for (let waited = 0; left().length > 0; waited += 1) {
    assert.ok(waited < 500, left().join(', '));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('edit', () => {
  test('gives the plaintext to the editor, and seals what comes back', async () => {
    const path = await sealedFile('edit.yaml');
    chmodSync(path, 0o640);
    const before = read(path).split('\n');
    const { code, stderr } = await edit(path, `cp "$1" seen; sed -i 's/hunter2/hunter3/' "$1"`);
    assert.equal(code, 0, stderr);
    assert.equal(read(join(world.folder, 'seen')), PLAIN);
    const changed = read(path)
      .split('\n')
      .filter((line) => !before.includes(line));
    assert.equal(changed.length, 2);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.match(await world.ok(['unseal', path]), /hunter3-secret/);
    assert.deepEqual(left(), []);
  });

  test('keeps the plaintext in a private folder in memory, under the name of the file, and out of arguments', async () => {
    const path = await sealedFile('private.yaml');
    const { code, stdout, stderr } = await edit(
      path,
      `stat -c '%a %n' "$1" "$(dirname "$1")"; ps -eo args | grep -c '[h]unter2-secret'; env`,
    );
    assert.equal(code, 0, stderr);
    const [of, folder, count] = stdout.split('\n');
    assert.match(of!, /^600 .*\/claviger-memory-\w+\/claviger-edit-\w+\/private\.yaml$/);
    assert.match(folder!, /^700 .*\/claviger-memory-\w+\/claviger-edit-\w+$/);
    assert.equal(count, '0');
    assert.doesNotMatch(stdout, /CLAVIGER_TOKEN/);
    assert.match(stderr, /is as it was/);
  });

  test('leaves the file untouched where nothing was changed', async () => {
    const path = await sealedFile('untouched.yaml');
    const { mtimeMs, ino } = statSync(path);
    await edit(path, 'touch "$1"');
    assert.deepEqual([statSync(path).mtimeMs, statSync(path).ino], [mtimeMs, ino]);
  });

  test('takes $VISUAL first, and editors with arguments', async () => {
    const path = await sealedFile('visual.yaml');
    const EDITOR = editor('never', 'exit 1');
    const { code, stderr } = await world.run(['edit', path], {
      env: { ...env, EDITOR, VISUAL: "sed -i -e 's/80/81/'" },
    });
    assert.equal(code, 0, stderr);
    assert.match(await world.ok(['unseal', path]), /port: 81/);
  });

  test('says so where there is no such editor', async () => {
    const path = await sealedFile('no-editor.yaml');
    for (const EDITOR of ['no-such-editor', 'no-such-editor --wait']) {
      await world.refused(
        1,
        /the editor `no-such-editor.*failed: (there is no such program|it ended with exit code 127)/,
        ['edit', path],
        {
          env: { ...env, EDITOR },
        },
      );
    }
  });

  test('leaves nothing of what vim keeps', async (t) => {
    const path = await sealedFile('vim.yaml');
    const home = join(world.folder, 'home');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, '.vimrc'), "set undofile backup undodir=~ backupdir=~ directory=~ viminfo='100\n");
    const line = `command -v vim > /dev/null || exit 99; HOME='${home}' EDITOR=vim '${process.execPath}' '${BINARY}' edit '${path}' <<< $':%s/hunter2/hunter1/\n:normal yy\n:wq\n'`;
    const { code, stderr } = await runShell(line, { env: { ...env, TERM: 'dumb' }, cwd: world.folder });
    if (code === 99) return t.skip('there is no vim');
    assert.equal(code, 0, stderr);
    assert.match(await world.ok(['unseal', path]), /hunter1-secret/);
    assert.deepEqual(readdirSync(home), ['.vimrc']);
  });

  test('takes editors that write a new file, and leaves nothing of what lies beside', async () => {
    const path = await sealedFile('beside.yaml');
    const { code, stderr } = await edit(
      path,
      `cp "$1" "$1~"; mkdir "$(dirname "$1")/swap"; cp "$1" "$(dirname "$1")/swap/x"; sed 's/80/81/' "$1~" > new; mv new "$1"`,
    );
    assert.equal(code, 0, stderr);
    assert.match(await world.ok(['unseal', path]), /port: 81/);
    assert.deepEqual(left(), []);
  });

  for (const [what, script, message] of [
    ['fails', 'echo broken > "$1"; exit 3', /it ended with exit code 3; nothing was changed/],
    ['is killed', 'kill -9 $$', /failed: (SIGKILL ended it|it ended with exit code 137)/],
    ['removes the file', 'rm "$1"', /the editor removed the file/],
    ['leaves something else than the format', 'echo "password: hunter4-secret: x" > "$1"', /line 1, column \d+/],
    ['leaves a key twice', 'echo "port: hunter4-secret" >> "$1"', /duplicate key/],
    ['leaves bytes', 'head -c 100 /dev/zero > "$1"', /no UTF-8 text/],
    ['leaves a file that is too large', 'head -c 2000000 /dev/zero | tr "\\0" a > "$1"', /more than 1048576 bytes/],
    ['leaves a link', 'ln -sf /etc/hostname "$1"', /symbolic link/],
  ] as const) {
    test(`changes nothing where the editor ${what}`, async () => {
      const path = await sealedFile('refused.yaml');
      const before = read(path);
      const { code, stderr } = await edit(path, script);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /secret/);
      assert.equal(read(path), before);
      assert.deepEqual(left(), []);
    });
  }

  test('changes nothing where the file was changed meanwhile, and keeps what was written, sealed', async () => {
    const path = await sealedFile('meanwhile.yaml');
    const { code, stderr } = await edit(path, `sed -i s/hunter2/hunter5/ "$1"; echo '# more' >> '${path}'`);
    assert.equal(code, 1, stderr);
    const [, beside] = /was changed by somebody else meanwhile.*what you wrote is in `(.*)`, sealed/.exec(stderr)!;
    assert.match(read(path), /# more\n$/);
    assert.doesNotMatch(read(beside!), /hunter5/);
    assert.match(await world.ok(['unseal', '--type', 'yaml', beside!]), /hunter5/);
  });

  test('makes a new file under a key', async () => {
    const path = join(world.folder, 'new.env');
    const EDITOR = editor('new', 'echo "A=1" > "$1"');
    await world.refused(2, /does not exist; to make it, name a key/, ['edit', path], { env: { ...env, EDITOR } });
    await world.ok(['edit', '--key', 'alias:config', path], { env: { ...env, EDITOR } });
    assert.equal(await world.ok(['unseal', path]), 'A=1');
    await world.refused(2, /is there: keys and patterns/, ['edit', '--key', 'alias:config', path], {
      env: { ...env, EDITOR },
    });
  });

  test('is refused for what is not sealed, or was changed', async () => {
    const path = join(world.folder, 'plain.yaml');
    writeFileSync(path, PLAIN);
    await world.refused(1, /not sealed: `claviger seal`/, ['edit', path], { env: { ...env, EDITOR: 'false' } });
    const changed = await sealedFile('edit-changed.yaml');
    writeFileSync(changed, read(changed).replace('port', 'pord'));
    await world.refused(3, /`pord` does not open/, ['edit', changed], { env: { ...env, EDITOR: 'false' } });
  });
});

describe('an edit that is ended from outside', { concurrency: 3 }, () => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGKILL', null],
  ] as const) {
    test(`by ${signal} leaves no plaintext and no change`, async () => {
      const path = await sealedFile(`${signal}.yaml`);
      const before = read(path);
      const EDITOR = editor(`waits-${signal}`, `sed -i s/hunter2/hunter6/ "$1"; echo "ready $1"; sleep 30`);
      const running = startCli(['edit', path], { env: { ...env, EDITOR }, cwd: world.folder });
      await running.shown('ready');
      const [, plaintext] = /ready (.*)/.exec(running.stdout())!;
      assert.match(read(plaintext!), /hunter6/);
      // Of a process that is killed, the editor holds the streams.
      const ended = new Promise((resolve) => running.child.on('exit', resolve));
      running.child.kill(signal);
      assert.equal(await ended, code);
      await untilNothingIsLeft();
      assert.ok(!existsSync(plaintext!));
      assert.equal(read(path), before);
      running.child.stdout!.destroy();
      running.child.stderr!.destroy();
    });
  }
});

describe('at a terminal', () => {
  /** Types answers, each after what it answers has shown. */
  async function typed(
    command: string,
    answers: readonly (readonly [after: string, answer: string])[],
  ): Promise<CliRun> {
    const python = `
import os, pty, sys, time, json
answers = json.loads(sys.argv[2])
pid, fd = pty.fork()
if pid == 0: os.execvp("bash", ["bash", "-c", sys.argv[1]])
seen = ""
while True:
    try: chunk = os.read(fd, 4096).decode(errors="replace")
    except OSError: break
    if not chunk: break
    sys.stdout.write(chunk); seen += chunk
    if answers and answers[0][0] in seen:
        os.write(fd, answers.pop(0)[1].encode()); seen = ""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
    const args = [command, JSON.stringify(answers)].map((text) => `'${text.replaceAll("'", `'\\''`)}'`).join(' ');
    return runShell(`python3 -c '${python}' ${args}`, { cwd: world.folder, env });
  }

  test('a mistake is told, and the editor opens again on what was written', async () => {
    const path = await sealedFile('again.yaml');
    const EDITOR = editor(
      'fixes',
      `if grep -q '"' "$1"; then sed -i 's/"//' "$1"; else sed -i 's/: hunter2/: "hunter7/' "$1"; fi`,
    );
    const { code, stdout } = await typed(`EDITOR='${EDITOR}' '${process.execPath}' '${BINARY}' edit '${path}'`, [
      ['without a change? ', 'x\r'],
      ['without a change? ', 'e\r'],
    ]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /missing char/);
    assert.match(await world.ok(['unseal', path]), /hunter7-secret/);
    assert.deepEqual(left(), []);
  });

  for (const [what, answer, exit] of [
    ['q', 'q\r', 1],
    ['Ctrl-C', '\u0003', 130],
    ['Ctrl-D', '\u0004', 1],
  ] as const) {
    test(`${what} at the question leaves the file as it was`, async () => {
      const path = await sealedFile('quit.yaml');
      const before = read(path);
      const EDITOR = editor('breaks', `sed -i 's/: hunter2/: "hunter8/' "$1"`);
      const { code, stdout } = await typed(`EDITOR='${EDITOR}' '${process.execPath}' '${BINARY}' edit '${path}'`, [
        ['without a change? ', answer],
      ]);
      assert.equal(code, exit, stdout);
      assert.equal(read(path), before);
      assert.deepEqual(left(), []);
    });
  }

  for (const [what, args] of [
    ['the editor', ''],
    ['an editor with arguments', ' -x'],
  ] as const)
    test(`Ctrl-C in ${what} is for the editor`, async () => {
      const path = await sealedFile('ctrl-c.yaml');
      const EDITOR = editor(
        'traps',
        `trap 'sed -i s/hunter2/hunter9/ "\${!#}"; exit 0' INT; echo ready; while :; do sleep 0.05; done`,
      );
      const { code, stdout } = await typed(
        `EDITOR='${EDITOR}${args}' '${process.execPath}' '${BINARY}' edit '${path}'`,
        [['ready', '\u0003']],
      );
      assert.equal(code, 0, stdout);
      assert.match(await world.ok(['unseal', path]), /hunter9-secret/);
    });

  test('Ctrl-C reaches a program of exec once', async () => {
    const path = await sealedFile('exec-ctrl-c.yaml');
    const script = editor(
      'counts',
      `n=0; trap 'n=$((n+1))' INT; echo ready; for i in $(seq 20); do sleep 0.05; done; echo "count $n"`,
    );
    const { code, stdout } = await typed(`'${process.execPath}' '${BINARY}' exec --file '${path}' -- '${script}'`, [
      ['ready', '\u0003'],
    ]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /count 1\r?$/m);
  });
});
