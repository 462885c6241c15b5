/**
 * Puts a program on the disk under the tests' control: the environment to start it with. disk-shim.c says what each
 * part does.
 *
 *     const { library } = await requirePeer(t, 'disk-shim');
 *     spawn(process.execPath, […], { env: { ...process.env, ...onDisk(library, { folder, syncDelayUs: 5000 }) } });
 *
 * @module
 */

export interface DiskFault {
  readonly call: 'write' | 'sync';
  /** End of the names of the files that it may strike: `-wal`, `.db`. */
  readonly suffix: string;
  /** Which of their calls fails, from 1. */
  readonly nth: number;
  /** `lost`: what failed is not on the disk. `kept`: it is there all the same. */
  readonly effect: 'lost' | 'kept';
  /** What the program is told; `EIO` where it is not given. */
  readonly error?: 'EIO' | 'ENOSPC';
}

export interface Disk {
  /** The folder on it; absolute, without symbolic links. */
  readonly folder: string;
  /** Each sync takes so much longer. */
  readonly syncDelayUs?: number;
  /** File, outside the folder, to which every change is appended; excludes `fault`. */
  readonly trace?: string;
  readonly fault?: DiskFault;
}

/** @param library of the peer `disk-shim` */
export function onDisk(library: string, { folder, syncDelayUs, trace, fault }: Disk): Record<string, string> {
  return {
    LD_PRELOAD: library,
    CLAVIGER_DISK_FOLDER: folder,
    ...(syncDelayUs === undefined ? {} : { CLAVIGER_DISK_SYNC_DELAY_US: String(syncDelayUs) }),
    ...(trace === undefined ? {} : { CLAVIGER_DISK_TRACE: trace }),
    ...(fault === undefined ? {} : { CLAVIGER_DISK_FAULT: faultText(fault) }),
  };
}

function faultText({ call, suffix, nth, effect, error = 'EIO' }: DiskFault): string {
  return [call, suffix, nth, effect, error].join(':');
}
