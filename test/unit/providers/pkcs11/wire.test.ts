/** Frames between server and host process. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeTemplate, encodeTemplate, readUse, useHead } from '../../../../src/providers/pkcs11/protocol.ts';
import { FRAME_BYTES_MAX, FrameReader, FrameWriter } from '../../../../src/providers/pkcs11/wire.ts';

interface Taken {
  readonly id: number;
  readonly kind: number;
  readonly body: Buffer;
}

function sink(): { readonly chunks: Buffer[]; readonly writer: FrameWriter; readonly written: (() => void)[] } {
  const chunks: Buffer[] = [];
  const written: (() => void)[] = [];
  const writer = new FrameWriter({
    write: (bytes, done) => {
      chunks.push(Buffer.from(bytes));
      written.push(done);
    },
  });
  return { chunks, writer, written };
}

function reader(): { readonly taken: Taken[]; readonly read: FrameReader } {
  const taken: Taken[] = [];
  const read = new FrameReader(({ id, kind, body }) => taken.push({ id, kind, body: Buffer.from(body) }));
  return { taken, read };
}

describe('frames', () => {
  test('come out as they went in, however the bytes are cut', () => {
    const frames = fc.array(
      fc.record({
        id: fc.nat(0xffff_ffff),
        kind: fc.nat(255),
        body: fc.uint8Array({ maxLength: 300 }),
        cut: fc.integer({ min: 1, max: 50 }),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(frames, (list) => {
        const { chunks, writer } = sink();
        for (const { id, kind, body } of list) writer.write(id, kind, body.subarray(0, 2), body.subarray(2));
        writer.flush();
        const { taken, read } = reader();
        const all = Buffer.concat(chunks);
        const cuts = list.length === 0 ? [1] : list.map(({ cut }) => cut);
        for (let at = 0, turn = 0; at < all.length; turn += 1) {
          const end = at + cuts[turn % cuts.length]!;
          read.push(Buffer.from(all.subarray(at, end)));
          at = end;
        }
        assert.deepEqual(
          taken,
          list.map(({ id, kind, body }) => ({ id, kind, body: Buffer.from(body) })),
        );
      }),
    );
  });

  test('of a turn leave in one write', () => {
    const { chunks, writer } = sink();
    for (let id = 0; id < 100; id += 1) writer.write(id, 1, Buffer.alloc(32));
    assert.equal(chunks.length, 0);
    writer.flush();
    writer.flush();
    assert.equal(chunks.length, 1);
  });

  test('that are longer than a chunk go through', () => {
    const { chunks, writer } = sink();
    const body = randomBytes(200_000);
    writer.write(1, 2, Buffer.from('before'));
    writer.write(7, 3, body);
    writer.write(8, 4, Buffer.from('after'));
    writer.flush();
    const { taken, read } = reader();
    for (const chunk of chunks) read.push(chunk);
    assert.deepEqual(taken[1], { id: 7, kind: 3, body });
    assert.deepEqual(taken[2]!.body.toString(), 'after');
  });

  test('leave nothing behind: both sides wipe what has passed', () => {
    const chunks: Uint8Array[] = [];
    const done: (() => void)[] = [];
    const writer = new FrameWriter({ write: (bytes, written) => void (chunks.push(bytes), done.push(written)) });
    writer.write(1, 1, Buffer.from('the PIN'));
    writer.flush();
    const { taken, read } = reader();
    const received = Buffer.from(chunks[0]!);
    read.push(received);
    assert.equal(taken[0]!.body.toString(), 'the PIN');
    assert.ok(received.every((byte) => byte === 0));
    done[0]!();
    assert.ok(chunks[0]!.every((byte) => byte === 0));
  });

  test('of a length that none of ours has are refused', () => {
    for (const length of [0, 4, FRAME_BYTES_MAX + 1, 0xffff_ffff]) {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(length);
      assert.throws(() => reader().read.push(bytes), /a frame of/);
    }
  });
});

describe('bodies', () => {
  test('a key and its input come out as they went in', () => {
    const id = randomBytes(16);
    const use = readUse(Buffer.concat([useHead(3, 'private', id), Buffer.from('input')]));
    assert.deepEqual([use.mechanism, use.keyClass, use.id, use.input.toString()], [3, 3, id, 'input']);
    const same = readUse(useHead(4, 'private', id));
    const other = readUse(useHead(3, 'secret', id));
    assert.equal(same.name, use.name, 'a handle is one of the key, whatever the mechanism');
    assert.notEqual(other.name, use.name);
  });

  test('templates keep numbers, truth and bytes', () => {
    const template = new Map<number, boolean | number | Buffer>([
      [1, true],
      [2, false],
      [0x8000_0001, 0x8000_1087],
      [3, 0],
      [4, Buffer.alloc(0)],
      [5, Buffer.from('00ff', 'hex')],
    ]);
    const decoded = decodeTemplate(encodeTemplate(template));
    assert.deepEqual(new Map(decoded.map(({ type, value }) => [type, value])), template);
  });
});
