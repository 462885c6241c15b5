/**
 * PEM (RFC 7468, with the headers of RFC 1421 that OpenSSL still writes): the blocks of a text, and one block of bytes.
 *
 * What stands between blocks is passed over, as RFC 7468, section 2 has it; so are byte order marks and line ends of any
 * system. What is in a block is the reader's.
 *
 * @module
 */

const LINE_CHARS = 64;
const BEGIN = /^-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,63})-----$/;
const FIRST_LABEL = /-----BEGIN ([A-Z0-9 ]+)-----/;
const ENCRYPTED_HEADER = /^Proc-Type:[ \t]*4,[ \t]*ENCRYPTED/m;

export interface PemBlock {
  readonly label: string;
  /** The whole block, with line ends that every reader takes. */
  readonly text: string;
  readonly isEncrypted: boolean;
}

export function pemOf(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The label of the first block of a text, or null for anything else. */
export function pemLabel(bytes: Buffer): string | null {
  return FIRST_LABEL.exec(bytes.toString('latin1'))?.[1] ?? null;
}

/** The blocks of a text, in their order; none where it is no PEM. A block without its end is none. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  let label: string | null = null;
  let lines: string[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n?|\n/)) {
    const trimmed = line.trimEnd();
    const begins = BEGIN.exec(trimmed)?.[1];
    if (begins !== undefined) {
      label = begins;
      lines = [];
    }
    if (label === null) continue;
    lines.push(trimmed);
    if (trimmed !== `-----END ${label}-----`) continue;
    const block = `${lines.join('\n')}\n`;
    const isEncrypted = label === 'ENCRYPTED PRIVATE KEY' || ENCRYPTED_HEADER.test(block);
    blocks.push({ label, text: block, isEncrypted });
    label = null;
  }
  return blocks;
}
