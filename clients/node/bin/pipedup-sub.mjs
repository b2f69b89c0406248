#!/usr/bin/env node
// A stream that pipedup-pub publishes, to stdout. `pipedup-sub --help` says more.
import { constants } from 'node:os';
import { help, parseCommandLine, UsageError } from '../lib/cli/options.js';
import { Report } from '../lib/cli/report.js';
import { Run, Status } from '../lib/cli/run.js';

async function main(args) {
  let options;
  try {
    options = parseCommandLine(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Report(args.includes('json') || args.includes('--log-format=json') ? 'json' : 'text').say('error', 'usage', error.message);
    return Status.USAGE;
  }
  if (options.help) {
    process.stdout.write(help());
    return Status.COMPLETE;
  }
  const report = new Report(options['log-format'] ?? 'text');
  const run = new Run(options, report);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => run.stop(Status.SIGNAL + constants.signals[signal]));
  }
  try {
    return await run.run();
  } catch (error) {
    report.say('error', 'failure', error.message);
    return Status.FAILURE;
  }
}

// A write that is under way may never end, and must not keep the process.
process.exit(await main(process.argv.slice(2)));
