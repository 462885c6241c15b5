/**
 * What `--json` tells of a message that was written or read.
 *
 * @module
 */
import type { Transferred } from './message.ts';
import { describeKeys, suiteText } from './describe.ts';

export function messageReport({ header, bytesRead, bytesWritten }: Transferred): object {
  const { suite, messageId, context, encryptedDataKeys, frameBytes } = header;
  return {
    format: 'message',
    suite: suiteText(suite),
    messageId,
    context,
    keys: describeKeys(encryptedDataKeys),
    frameBytes,
    bytesRead,
    bytesWritten,
  };
}
