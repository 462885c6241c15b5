/**
 * Apache Kafka (Apache License 2.0), from its jars: a broker that tests send the audit log to, and its own tools, which make
 * topics and read them.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, exists, programPath } from './peer.ts';

const POM = join(import.meta.dirname, 'kafka', 'pom.xml');
const WANTED = readFileSync(POM, 'utf8');
const VERSION = /<artifactId>kafka_[^<]*<\/artifactId>\s*<version>([^<]*)</u.exec(WANTED)![1]!;
const BROKER = `kafka-server-${VERSION}.jar`;

export interface KafkaPaths {
  /** Absolute path of `java`. */
  readonly java: string;
  /** For `java -cp`. */
  readonly classpath: string;
}

export const kafka: Peer<KafkaPaths> = {
  about: 'a broker that the audit log is sent to, and its tools, which read it there',
  home: 'kafka',
  pin: `${VERSION} (${hash('sha256', WANTED).slice(0, 8)})`,
  install: async (folder, say) => {
    const missing = [
      ...((await programPath('java')) === null ? ['default-jre-headless'] : []),
      ...((await programPath('mvn')) === null ? ['maven'] : []),
    ];
    if (missing.length > 0) await installDebian(missing, say);
    say('mvn dependency:copy-dependencies (about 45 MB on disk)');
    await mustRun('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]);
  },
  find: async (folder) => {
    const java = await programPath('java');
    return java !== null && (await exists(join(folder, BROKER))) ? { java, classpath: join(folder, '*') } : null;
  },
};
