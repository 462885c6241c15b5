/**
 * Documents as environment variables.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { FORMATS, variablesOf, type FormatName } from '../../../../src/envelope/sealed/index.ts';

function variables(name: FormatName, text: string): Record<string, string> {
  return Object.fromEntries(variablesOf(FORMATS[name], text));
}

function refused(name: FormatName, text: string, message: RegExp): void {
  assert.throws(
    () => variables(name, text),
    (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
}

suite('variables', () => {
  test('of nested values have the names of all keys on the way', () => {
    assert.deepEqual(
      variables('json', '{"db": {"hosts": ["a", {"max-age": 5}]}, "Log level": "x", "e": {}, "f": []}'),
      {
        DB_HOSTS_0: 'a',
        DB_HOSTS_1_MAX_AGE: '5',
        LOG_LEVEL: 'x',
      },
    );
  });

  test('are texts as they read, and numbers as they are spelled', () => {
    assert.deepEqual(
      variables('json', '{"a": "caf\\u00e9\\n", "b": 1.50e3, "c": 12345678901234567890, "d": true, "e": ""}'),
      {
        A: 'café\n',
        B: '1.50e3',
        C: '12345678901234567890',
        D: 'true',
        E: '',
      },
    );
    assert.deepEqual(variables('yaml', 'a: |\n  two\n  lines\nb: 0x1F\nc: yes\nd: "q"\ne: 1_0\n'), {
      A: 'two\nlines\n',
      B: '0x1F',
      C: 'yes',
      D: 'q',
      E: '1_0',
    });
  });

  test('of nulls are none', () => {
    assert.deepEqual(variables('json', '{"a": null, "b": 1}'), { B: '1' });
    assert.deepEqual(variables('yaml', 'a: ~\nb:\nc: null\nd: Null\ne: "null"\n'), { E: 'null' });
  });

  test('follow aliases and merges, whose own values come first', () => {
    const text =
      'base: &b {host: h, port: 1}\nprod:\n  <<: *b\n  port: 2\nall:\n  <<: [*b, {port: 3, tls: on}]\nat: *b\n';
    const { PROD_HOST, PROD_PORT, ALL_HOST, ALL_PORT, ALL_TLS, AT_PORT } = variables('yaml', text);
    assert.deepEqual([PROD_HOST, PROD_PORT, ALL_HOST, ALL_PORT, ALL_TLS, AT_PORT], ['h', '2', 'h', '1', 'on', '1']);
  });

  test('of .env files are read as shells and dotenv read them', () => {
    const text = `export A=1 # one
b="two\\nlines \\"q\\" \\$HOME \\x"
C='raw \\n $HOME'
D=a b#c  # d
E=
F= # nothing
G="multi
line"
H=\`tick\`
`;
    assert.deepEqual(variables('env', text), {
      A: '1',
      b: 'two\nlines "q" $HOME \\x',
      C: 'raw \\n $HOME',
      D: 'a b#c',
      E: '',
      F: '',
      G: 'multi\nline',
      H: 'tick',
    });
  });

  test('that would have one name are refused', () => {
    refused('json', '{"a": {"b": "secret"}, "a_b": "secret"}', /`a\.b` and `a_b` both make the variable `A_B`/);
    refused('json', '{"a": "secret", "A": "secret"}', /both make the variable `A`/);
  });

  test('with names that are none are refused', () => {
    refused('json', '{"é": "secret"}', /`\["é"\]` makes no name of a variable/);
    refused('json', '{"1a": "secret"}', /makes no name/);
    refused('json', '{"a=b": "secret"}', /makes no name/);
    refused('json', '{"": "secret"}', /makes no name/);
    refused('env', 'A.b=secret', /makes no name/);
    refused('yaml', '- secret', /makes no name/);
    refused('yaml', 'a: 1\n---\nb: secret', /`#2:b` makes no name/);
  });

  test('with a zero byte are refused', () => {
    refused('json', '{"a": "secret\\u0000"}', /`a` has a zero byte/);
  });

  test('can be left out', () => {
    const text = '{"1a": 1, "db": {"a": 2}}';
    assert.deepEqual([...variablesOf(FORMATS.json, text, { only: '^db', except: null })], [['DB_A', '2']]);
  });

  test('of a document whose aliases multiply, or mean themselves, are refused', () => {
    const levels = Array.from(
      { length: 9 },
      (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`).join(', ')}]`,
    );
    refused('yaml', `a0: &a0 secret\n${levels.join('\n')}\n`, /more than 10000 values/);
    const merges = Array.from({ length: 20 }, (_, at) => `a${at + 1}: &a${at + 1} {<<: [*a${at}, *a${at}]}`);
    refused('yaml', `a0: &a0 {x: secret}\n${merges.join('\n')}\n`, /more than 10000 values/);
    refused('yaml', 'a: &a [*a, secret]\n', /levels|alias|anchor/);
    refused('yaml', 'a: &a {<<: *a, b: secret}\n', /merges|levels|alias/);
  });
});
