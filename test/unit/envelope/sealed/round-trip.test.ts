/**
 * What is sealed comes back as it was, byte by byte, whatever it looked like.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { FORMATS, seal, type FormatName } from '../../../../src/envelope/sealed/index.ts';
import { ClavigerError } from '../../../../src/errors.ts';
import { envText, jsonText, sealed, service, unsealed, yamlText } from './support.ts';

const TEXTS: readonly (readonly [FormatName, fc.Arbitrary<string>])[] = [
  ['json', jsonText],
  ['yaml', yamlText],
  ['env', envText],
];

/** The places of all values, or null where it is none of the format: a generator may err. */
function isOne(name: FormatName, text: string): boolean {
  try {
    FORMATS[name].slots(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof ClavigerError, String(error));
    return false;
  }
}

suite('sealed configuration', () => {
  for (const [name, texts] of TEXTS) {
    test(`any ${name} comes back byte by byte, and no value is to be seen meanwhile`, async () => {
      let tried = 0;
      await fc.assert(
        fc.asyncProperty(texts, async (text) => {
          if (!isOne(name, text)) return;
          tried += 1;
          const format = FORMATS[name];
          const made = await sealed(name, text);
          assert.equal(await unsealed(name, made), text);
          const { body } = format.split(made);
          const spelled = format.slots(body).map(({ start, end }) => body.slice(start, end));
          assert.ok(
            spelled.every((spelling) => format.tokenOf(spelling) !== null),
            made,
          );
        }),
        { numRuns: 300 },
      );
      assert.ok(tried > 200, `only ${tried} of 300 were ${name}`);
    });

    test(`any ${name} that is sealed again is the same file, also from its plaintext`, async () => {
      await fc.assert(
        fc.asyncProperty(texts, async (text) => {
          if (!isOne(name, text)) return;
          const made = await sealed(name, text);
          assert.equal(await sealed(name, made), made);
          assert.equal(await sealed(name, text, { previous: made }), made);
        }),
        { numRuns: 100 },
      );
    });

    test(`${name} that is cut off or changed anywhere never opens as something else`, async () => {
      await fc.assert(
        fc.asyncProperty(texts, fc.nat(), fc.constantFrom('', 'x', '"', ' ', '\n'), async (text, where, by) => {
          if (!isOne(name, text)) return;
          const made = await sealed(name, text);
          const at = where % made.length;
          const changed = made.slice(0, at) + by + made.slice(at + 1);
          if (changed.replaceAll('\r\n', '\n') === made.replaceAll('\r\n', '\n')) return;
          await assert.rejects(unsealed(name, changed), ClavigerError);
          await assert.rejects(unsealed(name, made.slice(0, at)), ClavigerError);
        }),
        { numRuns: 300 },
      );
    });
  }

  test('every kind of value comes back as what it was', async () => {
    const text = '{"a":"x","b":1.50e3,"c":true,"d":null,"e":{},"f":[],"g":12345678901234567890,"h":""}';
    const made = await sealed('json', text);
    assert.deepEqual(Object.keys(JSON.parse(made) as object), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '_claviger']);
    assert.deepEqual((JSON.parse(made) as { e: unknown }).e, {});
    assert.equal(await unsealed('json', made), text);
  });

  test('what a short value is cannot be told from its length', async () => {
    const made = JSON.parse(await sealed('json', '{"a":true,"b":"a password of 29 bytes, yes","c":0}')) as Record<
      string,
      string
    >;
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => made[key]!.length),
      [108, 108, 108],
    );
  });

  test('equal values have different tokens', async () => {
    const made = JSON.parse(await sealed('json', '{"a":"x","b":"x","c":["x","x"]}')) as {
      a: string;
      b: string;
      c: string[];
    };
    assert.equal(new Set([made.a, made.b, ...made.c]).size, 4);
  });

  test('YAML keeps what other programs need to read it: anchors, tags, aliases', async () => {
    const text = 'base: &base\n  pw: !!str 12\n  at: &at here\nprod:\n  <<: *base\n  at: *at\n';
    const made = await sealed('yaml', text);
    assert.match(
      made,
      /^base: &base\n {2}pw: !!str claviger:v1:[\w-]+\n {2}at: &at claviger:v1:[\w-]+\nprod:\n {2}<<: \*base\n {2}at: \*at\n/,
    );
    assert.equal(await unsealed('yaml', made), text);
  });

  test('line ends that version control changed do no harm', async () => {
    const made = await sealed('env', 'A=1\nB="x"\n');
    assert.equal(await unsealed('env', made.replaceAll('\n', '\r\n')), 'A=1\r\nB="x"\r\n');
  });

  test('an empty file can be sealed', async () => {
    for (const [name, text] of [
      ['json', '{}'],
      ['yaml', ''],
      ['env', ''],
    ] as const) {
      assert.equal(await unsealed(name, await sealed(name, text)), text);
    }
  });

  test('several keys open a file, each by itself', async () => {
    const { text, keys } = await seal(service, '{"a":1}', { format: FORMATS.json, keys: ['east', 'west', 'east'] });
    assert.deepEqual(
      keys.map((arn) => arn.replace(/.*\//, '')),
      ['east', 'west'],
    );
    for (const down of ['east', 'west']) {
      service.denied.add(down);
      assert.equal(await unsealed('json', text), '{"a":1}');
      service.denied.delete(down);
    }
    for (const down of ['east', 'west']) service.denied.add(down);
    await assert.rejects(unsealed('json', text), {
      code: 'PERMISSION_DENIED',
      message: /none of the keys .*\n.*east: .*\n.*west: /,
    });
    service.denied.clear();
  });
});
