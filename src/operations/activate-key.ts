/**
 * activateKey: makes a pre-active key usable.
 *
 * @module
 */
import { transitionOperation } from './transition.ts';

export const activateKey = transitionOperation('ActivateKey', 'activate');
