/**
 * AES-GCM for many short texts under one key.
 *
 * @module
 */
import { nativeGcm } from './gcm-native.ts';
import { portableGcm } from './gcm-portable.ts';

export const gcm = nativeGcm ?? portableGcm;
