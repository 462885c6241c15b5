/**
 * `claviger hsm test`: tries everything that a device declares, before anybody relies on it.
 *
 * @module
 */
import { acceptDevice, type Finding } from '../../../providers/pkcs11/index.ts';
import { CliCommand } from '../../command.ts';
import { EXIT } from '../../exit-codes.ts';
import type { Session } from '../../session.ts';
import { plain, table } from '../../table.ts';
import type { Colour } from '../../terminal.ts';
import { deviceOf, openDevice, withDevice, type DeviceOptions } from './device.ts';

const COLOURS: Readonly<Record<Finding['result'], Colour>> = { PASS: 'green', FAIL: 'red', absent: 'dim' };

export function testCommand(): CliCommand {
  return withDevice(new CliCommand('test'))
    .description(
      'Make, read back, use and destroy a key of every kind that a token has; signatures are verified outside of it',
    )
    .examples(
      'claviger hsm test --config claviger.yaml --provider hsm-1',
      'claviger hsm test --token prod --vendor luna --pin-file pin --json',
    )
    .run<DeviceOptions>(test);
}

async function test(session: Session, options: DeviceOptions): Promise<number> {
  const { terminal } = session;
  const provider = await openDevice(terminal, await deviceOf(terminal, options));
  const findings: Finding[] = [];
  try {
    for await (const finding of acceptDevice(provider)) {
      findings.push(finding);
      if (finding.result === 'FAIL') terminal.say(`FAIL ${finding.check}: ${plain(finding.detail)}`);
    }
  } finally {
    await provider.close();
  }
  const failed = findings.filter(({ result }) => result === 'FAIL').length;
  const { label, serial, model } = provider.facts!;
  session.answer({ token: label, serial, model, status: failed === 0 ? 'passed' : 'failed', findings }, () => {
    const rows = findings.map(({ result, check, detail }) => [
      terminal.styled(COLOURS[result], result),
      check,
      plain(detail),
    ]);
    return `${table(['RESULT', 'CHECK', 'DETAIL'], rows)}\n\n${findings.length} checks, ${failed} failed`;
  });
  return failed === 0 ? EXIT.ok : EXIT.failed;
}
