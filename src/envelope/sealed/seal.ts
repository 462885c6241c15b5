/**
 * Sealing: values become tokens, each where it stands, and everything else stays as it is.
 *
 * What was sealed before keeps its token as long as value and place are the same, so that version control shows what was
 * changed and nothing else.
 *
 * @module
 */
import { systemRandom } from '../../crypto/random.ts';
import type { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError } from '../../errors.ts';
import { NO_CONTEXT, requireContext, type EncryptionContext } from '../../model/encryption-context.ts';
import type { Random } from '../../ports/random.ts';
import type { KeyService } from '../key-service.ts';
import { FileKey } from './file-key.ts';
import { valuesOf, type Format, type Value } from './format.ts';
import { SEALED_BYTES_MAX } from './limits.ts';
import { FILE_ID_BYTES, metadataFields, type Metadata, type Selection } from './metadata.ts';
import { openFile, type OpenedFile } from './opened-file.ts';
import { encodePath, pathText } from './path.ts';
import { ALL, requirePattern, selected } from './selection.ts';
import { replaced, requireText } from './text.ts';
import { makeDataKey, requireFew, wrapUnder, type Missing } from './wraps.ts';

export interface SealOptions {
  readonly format: Format;
  /** Ids, ARNs or aliases: any of them opens the file. Of a sealed file: keys that are to open it too. */
  readonly keys?: readonly string[];
  /** Pairs that every wrap of the data key is bound to. They stand in the file. */
  readonly context?: EncryptionContext;
  /** Which values; those of the file before, or all, where it is not given. What is sealed already stays sealed. */
  readonly selection?: Selection;
  /** The sealed file that the result is to replace: it keeps its data key, and the tokens of values that are the same. */
  readonly previous?: string;
  /** A fresh data key, under `keys` alone where they are given, and fresh tokens. */
  readonly rekey?: boolean;
  /** Takes over what was changed in a sealed file by other means. Values that do not open are refused all the same. */
  readonly acceptChanges?: boolean;
  readonly random?: Random;
}

export interface SealedResult {
  readonly text: string;
  /** Values that were sealed newly. */
  readonly fresh: number;
  /** Values that kept their tokens. */
  readonly kept: number;
  /** Values that stay readable. */
  readonly readable: number;
  /** ARNs of the keys that open the file. */
  readonly keys: readonly string[];
  readonly missing: readonly Missing[];
}

/**
 * Seals the values of a document, or what is new in one that is sealed already.
 *
 * @throws INVALID_ARGUMENT, LIMIT_EXCEEDED, UNSUPPORTED by the text; INVALID_CIPHERTEXT where a sealed file was changed;
 *   what the service refuses with
 */
export async function seal(service: KeyService, text: string, options: SealOptions): Promise<SealedResult> {
  const { format, previous, random = systemRandom, rekey = false, acceptChanges = false } = options;
  requireText(text, SEALED_BYTES_MAX);
  const { body, metadata } = format.split(text);
  const isSealed = metadata !== null;
  if (!isSealed) requireText(text);
  if (isSealed && previous !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'the input is sealed already: seal it in place, or unseal it first');
  }
  const values = valuesOf(format, body);
  if (!isSealed) requireNoTokens(values);
  const before = isSealed ? text : previous;
  using opened = before === undefined ? null : await openFile(service, format, before);
  if (!acceptChanges) opened?.verify();

  const selection = requireSelection(options.selection ?? opened?.metadata.selection ?? ALL);
  const spellings = values.map((value) => (isSealed ? opened!.open(value) : value.spelling));
  const wanted = selected(
    selection,
    values.map(({ path }) => path),
  ).map((is, at) => is || values[at]!.token !== null);
  if (values.length > 0 && !wanted.includes(true)) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'no value is selected: look at the patterns; paths look like `db.hosts[0].password`',
    );
  }

  const keyed = await keyFor(service, options, opened, selection, random, rekey);
  using dataKey = keyed.dataKey;
  using key = new FileKey(dataKey, keyed.metadata.file);
  const tokens = new Tokens(opened === null || rekey ? null : opened);
  const after = values.map((value, at) => {
    if (!wanted[at]) return value.spelling;
    const kept = tokens.take(value, spellings[at]!);
    return format.spell(kept ?? key.seal(format.name, value.path, spellings[at]!, random));
  });
  const count = wanted.filter(Boolean).length;
  return {
    text: finished(format, key, replaced(format, body, values, after), keyed.metadata),
    fresh: count - tokens.taken,
    kept: tokens.taken,
    readable: values.length - count,
    keys: keyed.metadata.keys.map(({ arn }) => arn),
    missing: keyed.missing,
  };
}

interface Keyed {
  readonly metadata: Metadata;
  readonly dataKey: SecretBytes;
  readonly missing: readonly Missing[];
}

/** The data key to seal with: that of the file before, with more wraps where there are more keys; or a fresh one. */
async function keyFor(
  service: KeyService,
  { keys = [], context }: SealOptions,
  opened: OpenedFile | null,
  selection: Selection,
  random: Random,
  rekey: boolean,
): Promise<Keyed> {
  if (opened === null || rekey) {
    const file = random.bytes(FILE_ID_BYTES);
    const bound = { file, context: requireContext(context ?? opened?.metadata.context ?? NO_CONTEXT) };
    const names = keys.length > 0 ? keys : (opened?.metadata.keys.map(({ arn }) => arn) ?? []);
    const { dataKey, wraps, missing } = await makeDataKey(service, names, bound);
    return { metadata: { ...bound, selection, keys: wraps }, dataKey, missing };
  }
  requirePairs(opened.metadata.context, context);
  const { file, keys: wraps } = opened.metadata;
  const bound = { file, context: opened.metadata.context };
  const added = await newKeys(service, keys, opened);
  const { wraps: more, missing } = await wrapUnder(service, added, bound, opened.dataKey);
  return { metadata: { ...bound, selection, keys: requireFew([...wraps, ...more]) }, dataKey: opened.dataKey, missing };
}

/**
 * Pairs that a file must be bound to.
 *
 * @throws INVALID_ARGUMENT where it is bound to others
 */
export function requirePairs(found: EncryptionContext, wanted: EncryptionContext = NO_CONTEXT): void {
  const wrong = Object.keys(wanted).find((name) => !Object.hasOwn(found, name) || found[name] !== wanted[name]);
  if (wrong === undefined) return;
  const there = Object.hasOwn(found, wrong) ? `has \`${wrong}=${found[wrong]}\`` : `has no \`${wrong}\``;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `the context of the file ${there}, not \`${wrong}=${wanted[wrong]}\`; another context takes \`claviger seal --rekey\``,
  );
}

/** Of the keys that are named, those that do not open the file yet, each once. */
async function newKeys(service: KeyService, names: readonly string[], opened: OpenedFile): Promise<readonly string[]> {
  const there = new Set(opened.metadata.keys.map(({ arn }) => arn));
  const added: string[] = [];
  for (const name of names) {
    const arn = there.has(name) ? name : ((await service.describeKey({ key: name })) as { readonly arn: string }).arn;
    if (there.has(arn)) continue;
    there.add(arn);
    added.push(arn);
  }
  return added;
}

function requireSelection(selection: Selection): Selection {
  for (const pattern of [selection.only, selection.except]) if (pattern !== null) requirePattern(pattern);
  return selection;
}

/** @throws INVALID_ARGUMENT where something looks sealed in a file that is not */
function requireNoTokens(values: readonly Value[]): void {
  const strange = values.find(({ token }) => token !== null);
  if (strange === undefined) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${pathText(strange.path)}\` is sealed, but the file has no metadata that say under which key: a value of another file cannot be taken over, and metadata that were lost are in your version control`,
  );
}

/** The text with its metadata and its MAC. */
function finished(format: Format, key: FileKey, body: string, metadata: Metadata): string {
  const { text, macAt } = format.join(body, metadataFields(metadata));
  const mac = key.mac(format.name, text, { start: macAt, end: macAt }).toString('base64url');
  const whole = text.slice(0, macAt) + mac + text.slice(macAt);
  requireText(whole, SEALED_BYTES_MAX);
  if (format.split(whole).body === body) return whole;
  throw new ClavigerError(
    'UNSUPPORTED',
    'the document ends in a way that metadata cannot follow: end it with a line end',
  );
}

/** Tokens of a file by place and value, each given once. */
class Tokens {
  readonly #known = new Map<string, string[]>();
  taken = 0;

  constructor(opened: OpenedFile | null) {
    for (const value of opened?.values ?? []) {
      const spelling = value.token === null ? null : opened!.openOrNull(value);
      if (spelling === null) continue;
      const name = nameOf(value, spelling);
      const tokens = this.#known.get(name);
      if (tokens === undefined) this.#known.set(name, [value.token!]);
      else tokens.push(value.token!);
    }
  }

  take(value: Value, spelling: string): string | null {
    const token = this.#known.get(nameOf(value, spelling))?.shift() ?? null;
    if (token !== null) this.taken += 1;
    return token;
  }
}

function nameOf({ path }: Value, spelling: string): string {
  return `${encodePath(path).toString('latin1')}\0${spelling}`;
}
