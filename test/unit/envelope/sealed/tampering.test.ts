/**
 * Each way in which a sealed file can be changed is refused, and says where if a value can tell.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { arnOf } from '../../../support/key-service.ts';
import { FORMATS, seal } from '../../../../src/envelope/sealed/index.ts';
import { sealed, service, unsealed } from './support.ts';

const TEXT = `# the database
db:
  host: db.example.com
  password: hunter2-secret
  hosts: [one, two]
# the shop
shop:
  token: tok-secret
  debug: false
`;
const made = await sealed('yaml', TEXT, { selection: { only: null, except: 'host$|debug' } });
const older = await sealed('yaml', TEXT.replace('hunter2', 'hunter1'), { previous: made });
const other = await sealed('yaml', TEXT, { selection: { only: null, except: 'host$|debug' } });

/** The line of a key. */
function line(text: string, key: string): string {
  return new RegExp(`^.*\\b${key}:? .*$`, 'm').exec(text)![0];
}

function value(text: string, key: string): string {
  return /claviger:v1:[\w-]+/.exec(line(text, key))![0];
}

async function refused(text: string, message: RegExp): Promise<void> {
  await assert.rejects(unsealed('yaml', text), (error: Error & { code: string }) => {
    assert.equal(error.code, 'INVALID_CIPHERTEXT');
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
}

suite('a sealed file', () => {
  test('opens as long as nothing was changed', async () => {
    assert.equal(await unsealed('yaml', made), TEXT);
  });

  test('is refused with two values swapped, and says where they belong', async () => {
    const [password, token] = [value(made, 'password'), value(made, 'token')];
    const swapped = made.replace(password, '?').replace(token, password).replace('?', token);
    await refused(
      swapped,
      /the value at `db\.password` belongs to `shop\.token`; the value at `shop\.token` belongs to `db\.password`/,
    );
  });

  test('is refused with a value copied to a second place', async () => {
    await refused(
      made.replace(value(made, 'token'), value(made, 'password')),
      /the value at `shop\.token` belongs to `db\.password`/,
    );
  });

  test('is refused with two elements of a list swapped', async () => {
    const [, one, two] = /\[(.*), (.*)\]/.exec(made)!;
    await refused(made.replace(`[${one}, ${two}]`, `[${two}, ${one}]`), /keys, their order/);
  });

  test('is refused with a renamed key', async () => {
    await refused(made.replace('password:', 'passwort:'), /`db\.passwort` does not open: .*its key was renamed/);
  });

  for (const [what, change] of [
    ['a key removed', (text: string) => text.replace(`${line(text, 'password')}\n`, '')],
    ['an element removed', (text: string) => text.replace(/\[\S+, /, '[')],
    ['a readable value added', (text: string) => text.replace('shop:\n', 'shop:\n  host: evil\n')],
    ['a readable value changed', (text: string) => text.replace('db.example.com', 'db.example.org')],
    ['a readable key renamed', (text: string) => text.replace('debug:', 'debugs:')],
    [
      'two keys in another order',
      (text: string) => {
        const [a, b] = [line(text, 'token'), line(text, 'debug')];
        return text.replace(`${a}\n${b}`, `${b}\n${a}`);
      },
    ],
    ['a comment changed', (text: string) => text.replace('# the shop', '# the shops')],
    ['a blank line more', (text: string) => text.replace('\nshop:', '\n\nshop:')],
    ['another pattern', (text: string) => text.replace('except "host$', 'except "hos.$')],
    ['the words for people changed', (text: string) => text.replace('about values', 'about Values')],
  ] as const) {
    test(`is refused with ${what}`, () => refused(change(made), /keys, their order, comments/));
  }

  test('is refused with a value in the place of a sealed one', async () => {
    await refused(made.replace(value(made, 'token'), 'mine'), /not sealed, but to be sealed: `shop\.token`/);
  });

  test('is refused with a pattern removed', async () => {
    await refused(made.replace(/^.*except.*\n/m, ''), /not sealed, but to be sealed: `db\.host`, `shop\.debug`/);
  });

  test('is refused with a character of a value changed', async () => {
    const token = value(made, 'token');
    for (const at of ['claviger:v1:'.length, 40, token.length - 1]) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      await refused(made.replace(token, changed), /`shop\.token` does not open/);
    }
    await refused(made.replace(token, token.slice(0, -4)), /`shop\.token` does not open/);
    await refused(made.replace(token, 'claviger:v1:A'), /`shop\.token` does not open/);
  });

  test('is refused with a value of another file', async () => {
    await refused(
      made.replace(value(made, 'token'), value(other, 'token')),
      /`shop\.token` does not open: .*another file/,
    );
  });

  test('is refused with the value of an older version', async () => {
    await refused(made.replace(value(made, 'password'), value(older, 'password')), /keys, their order/);
  });

  test('is refused with the MAC of an older version', async () => {
    await refused(made.replace(line(made, 'mac'), line(older, 'mac')), /keys, their order/);
  });

  test('is refused with the metadata of another file, or with its data key', async () => {
    const block = (text: string): string => text.slice(text.indexOf('# claviger: about'));
    await refused(
      made.replace(block(made), block(other)),
      /`db\.password` does not open.* 1 more|`db\.password` does not open/,
    );
    await refused(
      made.replace(line(made, 'key'), line(other, 'key')),
      /wrapped data key was changed, comes from another file/,
    );
    await refused(
      made.replace(line(made, 'file'), line(other, 'file')),
      /wrapped data key was changed, comes from another file/,
    );
  });

  test('is refused with a key added by somebody who has no data key', async () => {
    const { ciphertext } = await service.encrypt({ key: 'mallory', plaintext: Buffer.alloc(32) });
    const mine = `# claviger: key ${arnOf('mallory')} ${Buffer.from(ciphertext).toString('base64url')}`;
    await refused(made.replace(line(made, 'key'), `${line(made, 'key')}\n${mine}`), /keys, their order/);
  });

  test('is refused with its wraps in another order', async () => {
    const { text } = await seal(service, TEXT, { format: FORMATS.yaml, keys: ['east', 'west'] });
    const [east, west] = [...text.matchAll(/^# claviger: key .*$/gm)].map(([found]) => found);
    await refused(text.replace(`${east}\n${west}`, `${west}\n${east}`), /keys, their order/);
  });

  test('is refused with a data key that somebody who may encrypt has wrapped, for it opens no value', async () => {
    const file = /file (\S+)/.exec(made)![1]!;
    const context = { 'claviger-sealed': 'v1', 'claviger-file': file };
    const { ciphertext } = await service.encrypt({ key: 'config', plaintext: Buffer.alloc(32), context });
    const mine = `# claviger: key ${arnOf('config')} ${Buffer.from(ciphertext).toString('base64url')}`;
    await refused(made.replace(line(made, 'key'), mine), /`db\.password` does not open/);
  });

  test('is refused with another context', async () => {
    const text = await sealed('env', 'A=1\n', { context: { stage: 'test' } });
    await assert.rejects(unsealed('env', text.replace('"test"', '"prod"')), {
      code: 'INVALID_CIPHERTEXT',
      message: /`context` was changed/,
    });
    await assert.rejects(unsealed('env', text.replace(/^.*context.*\n/m, '')), { code: 'INVALID_CIPHERTEXT' });
  });

  test('is refused in a format that it was not sealed in', async () => {
    const text = await sealed('env', 'A="x"\n');
    await assert.rejects(unsealed('yaml', text), { code: 'INVALID_CIPHERTEXT' });
    const json = await sealed('json', '{"a":"x"}');
    await assert.rejects(unsealed('yaml', json), { code: 'INVALID_ARGUMENT', message: /not sealed/ });
  });

  test('with damaged metadata says where', async () => {
    for (const [text, message] of [
      [made.replace(/^# claviger: mac .*$/m, '# claviger: mac AAAA'), /damaged at `mac`/],
      [made.replace(/^# claviger: mac .*\n/m, ''), /damaged at `mac`/],
      [made.replace(/^# claviger: file .*\n/m, ''), /damaged at `file`/],
      [made.replace(/^# claviger: key .*\n/m, ''), /damaged at `keys`/],
      [made.replace(/^(# claviger: key .*\n)/m, '$1'.repeat(17)), /damaged at `keys`/],
      [made.replace(/^(# claviger: file .*\n)/m, '$1$1'), /lines of metadata are not those/],
      [made.replace('# claviger: file', '# claviger: keys'), /lines of metadata are not those/],
      [made.replace('except "host', 'except host'), /lines of metadata are not those/],
      [made.replace(/^# claviger: file .*$/m, '$&='), /damaged at `file`/],
      [made.replace('# claviger: file', '# claviger: __proto__ x\n# claviger: file'), /damaged/],
      [made.replace('# claviger: about', '# claviger: strange'), /damaged at `sealed`|damaged/],
    ] as const) {
      await assert.rejects(unsealed('yaml', text), { code: 'INVALID_ARGUMENT', message });
    }
    await assert.rejects(unsealed('yaml', made.replace('sealed v1', 'sealed v2')), {
      code: 'UNSUPPORTED',
      message: /newer/,
    });
  });

  test('in JSON is refused just so', async () => {
    const text = await sealed('json', '{"a":"x","b":[1,{"c":true}]}');
    const [a, b] = [...text.matchAll(/claviger:v1:[\w-]+/g)].map(([token]) => token);
    for (const changed of [
      text.replace(a!, '?').replace(b!, a!).replace('?', b!),
      text.replace('"a"', '"\\u0061"'),
      text.replace('"c"', '"d"'),
      text.replace('"_claviger"', '"z":1,"_claviger"'),
      text.replace(`"${a!}"`, '"x"'),
      text.replace('{"a"', '{ "a"'),
      text.replace(`"${a!}"`, `"\\u0063${a!.slice(1)}"`),
    ]) {
      assert.notEqual(changed, text);
      await assert.rejects(unsealed('json', changed), { code: 'INVALID_CIPHERTEXT' });
    }
    await assert.rejects(unsealed('json', text.replace('}]', '}],"z":1').replace(/,"_claviger".*$/, '}')), {
      code: 'INVALID_ARGUMENT',
    });
    await assert.rejects(unsealed('json', `${text.slice(0, -1)},"z":1}`), { message: /has to be the last key/ });
    await assert.rejects(unsealed('json', text.replace('"v1"', '"v1","x":1')), {
      message: /metadata of the sealed file are damaged/,
    });
  });
});
