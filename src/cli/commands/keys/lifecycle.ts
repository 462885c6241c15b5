/**
 * `claviger keys activate | enable | disable | deactivate | rotate | cancel-deletion | delete-material`: changes that take
 * nothing but the key.
 *
 * @module
 */
import type { OperationKey } from '../../../operations/index.ts';
import { KEY_HELP } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import { keyWords } from './key-words.ts';

type Change = Extract<
  OperationKey,
  | 'activateKey'
  | 'enableKey'
  | 'disableKey'
  | 'deactivateKey'
  | 'rotateKey'
  | 'cancelKeyDeletion'
  | 'deleteImportedKeyMaterial'
>;

const CHANGES: readonly (readonly [name: string, change: Change, what: string])[] = [
  ['rotate', 'rotateKey', 'Make a new version, which protects from now on; the older ones still decrypt and verify'],
  ['activate', 'activateKey', 'Let a pre-active key be used'],
  ['enable', 'enableKey', 'Let a disabled key be used again'],
  ['disable', 'disableKey', 'Let a key not be used for a while'],
  ['deactivate', 'deactivateKey', 'End protection for good: from then on the key only decrypts and verifies'],
  [
    'cancel-deletion',
    'cancelKeyDeletion',
    'Take the deletion date back; the key is disabled then, until you enable it',
  ],
  ['delete-material', 'deleteImportedKeyMaterial', 'Take imported material out again; it can be imported anew'],
];

export function lifecycleCommands(): readonly CliCommand[] {
  return CHANGES.map(([name, change, what]) =>
    new CliCommand(name)
      .description(what)
      .argument('<key>', KEY_HELP)
      .examples(`claviger keys ${name} alias:orders`)
      .run(async (session, _options, key) => {
        const changed = await session.client()[change]({ key });
        session.answer(changed, () => keyWords(changed));
      }),
  );
}
