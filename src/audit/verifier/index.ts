export type { NamedCheckpoint } from './checkpoint.ts';
export { FINDINGS, MalformedError, type Finding, type FindingKind } from './finding.ts';
export { parseVerifierKey, type VerifierKey } from './note.ts';
export { verifyReceipt, type ReceiptReport, type ReceiptSummary } from './receipt.ts';
export { folderSource, urlSource, type LogSource } from './source.ts';
export { successionFinding } from './succession.ts';
export { FINDINGS_MAX, verifyLog, type LogReport, type LogSummary } from './verify-log.ts';
