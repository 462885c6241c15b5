/**
 * deactivateKey: ends protection for good; the key still decrypts and verifies.
 *
 * @module
 */
import { transitionOperation } from './transition.ts';

export const deactivateKey = transitionOperation('DeactivateKey', 'deactivate');
