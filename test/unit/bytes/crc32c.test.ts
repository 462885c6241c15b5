import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c } from '../../../src/bytes/crc32c.ts';

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4, which writes the bytes of a CRC in the order of the wire: least significant first.
  const READ_PDU = Buffer.from(
    '01c00000' +
      '00000000'.repeat(3) +
      '14000000' +
      '00000400' +
      '00000014' +
      '00000018' +
      '28000000' +
      '00000000' +
      '02000000' +
      '00000000',
    'hex',
  );
  const VECTORS: readonly (readonly [name: string, bytes: Buffer, wire: string])[] = [
    ['32 bytes of zeroes', Buffer.alloc(32), 'aa36918a'],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), '43aba862'],
    ['32 bytes of incrementing 00..1f', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), '4e79dd46'],
    ['32 bytes of decrementing 1f..00', Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), '5cdb3f11'],
    ['an iSCSI SCSI Read command PDU', READ_PDU, '563a96d9'],
  ];
  for (const [name, bytes, wire] of VECTORS) {
    test(`RFC 3720, appendix B.4: ${name}`, () => {
      assert.equal(crc32c(bytes), Buffer.from(wire, 'hex').readUInt32LE());
    });
  }

  test('the check value of the catalogues: `123456789` gives e3069283', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  });
  test('of no bytes it is 0', () => {
    assert.equal(crc32c(Buffer.alloc(0)), 0);
  });
});
