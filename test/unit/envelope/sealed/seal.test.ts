/**
 * Sealing again, choosing values, changing keys, and what is refused.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { memoryKeyService } from '../../../support/key-service.ts';
import {
  check,
  FORMATS,
  seal,
  textOf,
  type FormatName,
  type SealOptions,
} from '../../../../src/envelope/sealed/index.ts';
import { sealed, service, unsealed } from './support.ts';

const TEXT = '{\n  "db": {"host": "here", "password": "one"},\n  "list": ["a", "b"]\n}\n';

/** Lines of b that are not in a. */
function changedLines(a: string, b: string): readonly string[] {
  const before = new Set(a.split('\n'));
  return b.split('\n').filter((line) => !before.has(line));
}

async function refused(
  name: FormatName,
  text: string,
  code: string,
  message: RegExp,
  options: Partial<SealOptions> = {},
): Promise<void> {
  await assert.rejects(sealed(name, text, options), (error: Error & { code: string }) => {
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  });
}

suite('sealing again', () => {
  test('changes the line of the value that was changed, and that of the MAC', async () => {
    const before = 'a: 1\nb: two # why\nc:\n  - x\n  - y\n';
    const first = await sealed('yaml', before);
    const second = await sealed('yaml', before.replace('two', 'three'), { previous: first });
    const [b, mac, ...others] = changedLines(first, second);
    assert.match(b!, /^b: claviger:v1:\S+ # why$/);
    assert.match(mac!, /^# claviger: mac /);
    assert.deepEqual(others, []);
  });

  test('leaves values their tokens where keys are reordered and elements are put in front', async () => {
    const first = await sealed('yaml', 'a: 1\nb: 2\nc:\n  - x\n  - y\n');
    const second = await sealed('yaml', 'c:\n  - new\n  - x\n  - y\nb: 2\na: 1\n', { previous: first });
    const changed = changedLines(first, second);
    assert.equal(changed.length, 2);
    assert.match(changed[0]!, /^ {2}- claviger/);
    assert.equal(await unsealed('yaml', second), 'c:\n  - new\n  - x\n  - y\nb: 2\na: 1\n');
  });

  test('gives equal elements of a list a token each', async () => {
    const text = '{"a": ["x", "x"]}';
    const first = await sealed('json', text);
    const second = await sealed('json', '{"a": ["x", "x", "x"]}', { previous: first });
    const tokens = [...second.matchAll(/claviger:v1:[\w-]+/g)].map(([token]) => token);
    assert.equal(new Set(tokens).size, 3);
    assert.ok(first.includes(tokens[0]!) && first.includes(tokens[1]!));
  });

  test('of a sealed file seals what is new in it, once that is said', async () => {
    const first = await sealed('env', 'A=1\n');
    const grown = first.replace(/^(A=.*)$/m, '$1\nB=plain');
    await refused('env', grown, 'INVALID_CIPHERTEXT', /not sealed, but to be sealed: `B`; .*--accept-changes/);
    const second = await sealed('env', grown, { acceptChanges: true });
    assert.doesNotMatch(second, /plain/);
    assert.equal(changedLines(grown, second).length, 2);
    assert.equal(await unsealed('env', second), 'A=1\nB=plain\n');
  });

  test('takes no value over that does not open where it stands, whatever is said', async () => {
    const first = await sealed('env', 'A=1\nB=2\n');
    const renamed = first.replace('B=', 'C=');
    await refused('env', renamed, 'INVALID_CIPHERTEXT', /`C` does not open/, { acceptChanges: true });
    const other = await sealed('env', 'A=1\n');
    const foreign = first.replace(/^A=.*$/m, /^A=.*$/m.exec(other)![0]);
    await refused('env', foreign, 'INVALID_CIPHERTEXT', /`A` does not open/, { acceptChanges: true });
  });

  test('onto a file that was changed is refused unless its changes are accepted', async () => {
    const first = (await sealed('env', 'A=1\nB=2\n')).replace('B=claviger', 'C=claviger');
    await refused('env', 'A=1\nB=2\n', 'INVALID_CIPHERTEXT', /`C` does not open/, { previous: first });
    const second = await sealed('env', 'A=1\nB=2\n', { previous: first, acceptChanges: true });
    assert.equal(await unsealed('env', second), 'A=1\nB=2\n');
  });

  test('of something sealed onto a sealed file is refused', async () => {
    const first = await sealed('json', TEXT);
    await refused('json', first, 'INVALID_ARGUMENT', /sealed already/, { previous: first });
  });
});

suite('keys of a sealed file', () => {
  test('are added without another change, each once', async () => {
    const own = memoryKeyService();
    const options = { format: FORMATS.yaml, keys: ['east'] };
    const { text: first } = await seal(own, 'a: 1\nb: 2\n', options);
    const { text, keys, kept, fresh } = await seal(own, first, { ...options, keys: ['alias:east', 'west', 'west'] });
    assert.deepEqual([keys.length, kept, fresh], [2, 2, 0]);
    const [wrap, mac, ...others] = changedLines(first, text);
    assert.match(wrap!, /^# claviger: key .*west/);
    assert.match(mac!, /^# claviger: mac/);
    assert.deepEqual(others, []);
    own.denied.add('east');
    assert.equal((await seal(own, text, { format: FORMATS.yaml })).text, text);
  });

  test('are replaced by --rekey, with everything that is sealed', async () => {
    const own = memoryKeyService();
    const { text: first } = await seal(own, TEXT, {
      format: FORMATS.json,
      keys: ['east'],
      selection: { only: 'password|list', except: null },
      context: { stage: 'test' },
    });
    const { text, keys } = await seal(own, first, { format: FORMATS.json, keys: ['west'], rekey: true });
    assert.deepEqual(
      keys.map((arn) => arn.replace(/.*\//, '')),
      ['west'],
    );
    const values = (from: string): readonly string[] =>
      [...from.matchAll(/claviger:v1:[\w-]+/g)].map(([token]) => token);
    assert.equal(values(text).length, 3);
    assert.ok(values(text).every((token) => !first.includes(token)));
    assert.notEqual(/"file": "(.*)"/.exec(text)![1], /"file": "(.*)"/.exec(first)![1]);
    assert.match(text, /"stage": "test"/);
    assert.match(text, /"only": "password\|list"/);
    assert.match(text, /"host": "here"/);
  });

  test('stay where --rekey names none', async () => {
    const own = memoryKeyService();
    const { text } = await seal(own, TEXT, { format: FORMATS.json, keys: ['a', 'b'] });
    const { keys } = await seal(own, text, { format: FORMATS.json, rekey: true });
    assert.equal(keys.length, 2);
  });

  test('are at least one and at most 16', async () => {
    await refused('json', TEXT, 'INVALID_ARGUMENT', /name a key/, { keys: [] });
    const keys = Array.from({ length: 17 }, (_, at) => `k${at}`);
    await refused('json', TEXT, 'LIMIT_EXCEEDED', /at most 16 keys/, { keys });
  });

  test('that do not permit it are told one by one', async () => {
    const own = memoryKeyService();
    const { text } = await seal(own, TEXT, { format: FORMATS.json, keys: ['a'] });
    own.denied.add('a');
    await assert.rejects(seal(own, text, { format: FORMATS.json }), {
      code: 'PERMISSION_DENIED',
      message: /the key of the file does not open it\n.*\/a: no policy/,
    });
    await assert.rejects(seal(own, TEXT, { format: FORMATS.json, keys: ['b', 'a'] }), { code: 'PERMISSION_DENIED' });
  });
});

suite('the context of a sealed file', () => {
  test('is kept, and another is refused', async () => {
    const first = await sealed('json', TEXT, { context: { stage: 'test' } });
    assert.equal(await sealed('json', first, { context: { stage: 'test' } }), first);
    await refused('json', first, 'INVALID_ARGUMENT', /has `stage=test`, not `stage=prod`/, {
      context: { stage: 'prod' },
    });
    await refused('json', first, 'INVALID_ARGUMENT', /has no `toString`/, { context: { toString: 'x' } });
    const moved = await sealed('json', first, { context: { stage: 'prod' }, rekey: true });
    assert.match(moved, /"stage": "prod"/);
  });

  test('has no names of ours, and the limits of every context', async () => {
    await refused('json', TEXT, 'INVALID_ARGUMENT', /rename `claviger-file`/, { context: { 'claviger-file': 'x' } });
    await refused('json', TEXT, 'INVALID_ARGUMENT', /at most 8192 bytes/, { context: { a: 'x'.repeat(9000) } });
  });
});

suite('patterns', () => {
  test('choose values by their paths, and are kept', async () => {
    const first = await sealed('json', TEXT, { selection: { only: 'password$|list', except: '\\[0\\]' } });
    assert.deepEqual(check(FORMATS.json, first), { sealed: true, unsealed: [] });
    assert.match(first, /"host": "here", "password": "claviger/);
    assert.match(first, /\["a", "claviger/);
    const again = await sealed('json', TEXT.replace('"one"', '"two"'), { previous: first });
    assert.match(again, /"host": "here", "password": "claviger/);
  });

  test('that are given again replace those of the file, and unseal nothing', async () => {
    const first = await sealed('json', TEXT);
    const second = await sealed('json', first, { selection: { only: 'host', except: null } });
    assert.equal((second.match(/claviger:v1:/g) ?? []).length, 4);
    assert.match(second, /"only": "host"/);
  });

  test('that choose nothing are refused', async () => {
    await refused('json', TEXT, 'INVALID_ARGUMENT', /no value is selected/, {
      selection: { only: 'pasword', except: null },
    });
  });

  test('that are none, or too long, are refused', async () => {
    await refused('json', TEXT, 'INVALID_ARGUMENT', /no regular expression/, {
      selection: { only: '(', except: null },
    });
    await refused('json', TEXT, 'INVALID_ARGUMENT', /1 to 256/, { selection: { only: 'a'.repeat(257), except: null } });
    await refused('json', TEXT, 'INVALID_ARGUMENT', /1 to 256/, { selection: { only: '', except: null } });
  });

  test('that would never end are ended', () => {
    const text = `{"${'a'.repeat(40)}": "claviger:v1:x"}`;
    const metadata =
      '{"sealed":"v1","file":"ICEiIyQlJicoKSorLC0uLw","only":"^(a+)+b$","keys":[{"arn":"x","wrap":"oaGhoQ"}],"mac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}';
    const hostile = `${text.slice(0, -1)},"_claviger":${metadata}}`;
    assert.throws(() => check(FORMATS.json, hostile), { code: 'INVALID_ARGUMENT', message: /takes too long/ });
  });
});

suite('a check', () => {
  test('tells what is not sealed, without any key', async () => {
    const text = await sealed('yaml', 'a: 1\nb: 2\n');
    assert.deepEqual(check(FORMATS.yaml, text), { sealed: true, unsealed: [] });
    assert.deepEqual(check(FORMATS.yaml, text.replace(/^b: .*$/m, 'b: 2\n"odd key": [x]')), {
      sealed: true,
      unsealed: ['b', '["odd key"][0]'],
    });
    assert.deepEqual(check(FORMATS.yaml, 'a: 1'), { sealed: false, unsealed: ['a'] });
    assert.deepEqual(check(FORMATS.yaml, text.slice(0, text.indexOf('\n#'))).sealed, false);
  });
});

suite('what cannot be sealed', () => {
  test('is told with its place, and never with what stands there', async () => {
    for (const [name, text, message] of [
      ['json', '{"a": hunter2}', /line 1, column 7: a value is missing/],
      ['json', '{"a": "hunter2}', /line 1, column 16: a string that is not closed/],
      ['json', '{"a": "hunter2"\n "b": 1}', /line 2, column 2: a comma/],
      ['json', '{"a": 1, "\\u0061": 2}', /the key `a` is there twice/],
      ['json', '{"a": 1} "hunter2"', /column 10: the document ends here/],
      ['json', '{"a": "\\x"}', /an escape/],
      ['json', '{"\\ud800": 1}', /well-formed/],
      ['json', '{"a": 01}', /column 7/],
      ['json', '{,}', /a key in double quotes/],
      ['json', '{"a" 1}', /a colon/],
      ['json', '{"a": 1 /* hunter2 }', /neither a value nor a comment/],
      ['json', '', /a value is missing/],
      ['json', '["hunter2"]', /has to be an object/],
      ['json', '"hunter2"', /has to be an object/],
      ['yaml', 'a: hunter2\na: hunter3\n', /line 2, column 1: duplicate key/],
      ['yaml', 'a: "hunter2\n', /line 2, column 1: missing char/],
      ['yaml', 'a: *hunter2\n', /anchor|alias/],
      ['yaml', '? [hunter2]\n: 1\n', /non string key/],
      ['yaml', 'a: 1\n"hunter2": 3: 4\n', /line 2/],
      ['env', 'A=1\nhunter2\n', /line 2, column 1: neither NAME=value/],
      ['env', 'A="hunter2\n', /line 1, column 3: a quote that is never closed/],
      ['env', 'A="x"hunter2\n', /there is more behind the closing quote/],
      ['env', 'A=1\nexport A=2\n', /`A` is there twice/],
      ['env', '1A=hunter2\n', /neither NAME=value/],
      ['env', '# claviger: mac x\nA=1\n', /belongs to the end/],
      ['yaml', 'a: 1\n# claviger: x y\nb: 2\n', /belongs to the end/],
    ] as const) {
      await assert.rejects(sealed(name, text), (error: Error) => {
        assert.match(error.message, message, text);
        assert.doesNotMatch(error.message, /hunter2(?!`)/, text);
        return true;
      });
    }
  });

  test('is a value that looks sealed in a file that is not', async () => {
    const first = await sealed('json', '{"a": 1}');
    const { a } = JSON.parse(first) as { a: string };
    await refused('json', JSON.stringify({ a }), 'INVALID_ARGUMENT', /`a` is sealed, but the file has no metadata/);
    await refused('env', `A=${a}`, 'INVALID_ARGUMENT', /`A` is sealed/);
  });

  test('is a text of more than 1 MiB, of more than 10,000 values, of more than 64 levels', async () => {
    await refused('json', JSON.stringify({ a: 'x'.repeat(1024 * 1024) }), 'LIMIT_EXCEEDED', /more than 1048576 bytes/);
    const many = JSON.stringify({ a: Array.from({ length: 10_001 }, () => 0) });
    await refused('json', many, 'LIMIT_EXCEEDED', /more than 10000 values/);
    await refused('json', `{"a":${'['.repeat(100_000)}`, 'INVALID_ARGUMENT', /more than 64 levels/);
    await refused('yaml', `a: ${'['.repeat(100_000)}`, 'INVALID_ARGUMENT', /resource exhaustion/);
    await refused('yaml', `a: ${'['.repeat(70)}x${']'.repeat(70)}`, 'LIMIT_EXCEEDED', /more than 64 levels/);
  });

  test('is a sealed text of very many values before it is in memory as such', async () => {
    const deep = `{"a":${'['.repeat(62)}${'0,'.repeat(2_000_000)}0${']'.repeat(62)}}`;
    assert.throws(() => check(FORMATS.json, deep), { code: 'LIMIT_EXCEEDED', message: 'more than 10000 values' });
    const flow = `a: [${'0,'.repeat(500_000)}0]\n`;
    assert.throws(() => check(FORMATS.yaml, flow), { code: 'LIMIT_EXCEEDED', message: /^more than 250000 words/ });
    const keys = `a: {${Array.from({ length: 20_000 }, (_, at) => `k${at}: `).join(',')}}\n`;
    assert.deepEqual(check(FORMATS.yaml, keys), { sealed: false, unsealed: [] });
    const lines = Array.from({ length: 10_001 }, (_, at) => `A${at}=\n`).join('');
    assert.throws(() => check(FORMATS.env, lines), { code: 'LIMIT_EXCEEDED', message: 'more than 10000 values' });
  });

  test('is what is no text', () => {
    assert.throws(() => textOf(Buffer.of(0xff, 0xfe)), { message: /no UTF-8 text/ });
    assert.throws(() => textOf(Buffer.from('a\0b')), { message: /no UTF-8 text/ });
    assert.equal(textOf(Buffer.from('\uFEFF{}')), '\uFEFF{}');
  });

  test('is no matter of size within the limits', async () => {
    const text = `{${Array.from({ length: 9999 }, (_, at) => `"k${at}":${at}`).join(',')}}`;
    const made = await sealed('json', text);
    assert.equal(await unsealed('json', made), text);
    assert.equal(await sealed('json', made), made);
  });
});

test('a context may have a pair of any name', async () => {
  const context = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
  for (const name of ['json', 'env'] as const) {
    const text = name === 'json' ? '{"a":1}' : 'A=1\n';
    assert.equal(await unsealed(name, await sealed(name, text, { context })), text);
  }
});

test('a sealed file that is not in its format asks nobody for a key', async () => {
  const first = await sealed('env', 'A=1\n');
  service.calls.length = 0;
  await assert.rejects(unsealed('env', `no variable\n${first}`), { code: 'INVALID_ARGUMENT' });
  assert.deepEqual(service.calls, []);
});

test('a file is opened with one call, and sealed again with one', async () => {
  const first = await sealed('json', TEXT);
  service.calls.length = 0;
  await unsealed('json', first);
  await sealed('json', TEXT, { previous: first, keys: [] });
  assert.deepEqual(service.calls, ['Decrypt', 'Decrypt']);
});
