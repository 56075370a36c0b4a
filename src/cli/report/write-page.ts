import { writeFileSync } from 'node:fs';
import { VERSION } from '../../config/package-version.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { fileError } from '../../core/base/file-fault.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import type { Account } from '../../figures/job/tasks.ts';
import type { EmbeddedLook } from '../../figures/job/timeline/embedded-looks.ts';
import { fleetPageHtml, type FleetPage } from '../../fleet-page/page.ts';
import { readPageAssets } from '../../report/page/assets.ts';
import { renderJobPage } from '../../report/page/job-page.ts';

/** Writes the page of the fleet over what stands there. @returns a line that says where it is @throws as `writeJobPage` */
export function writeCapacityPage(page: FleetPage, path: string): string {
  return `page of the fleet, ${writePage(fleetPageHtml(page), path)}`;
}

/**
 * Writes the page of a job, over what stands there.
 * @returns a line that says where it is
 * @param looks samples that it brings along
 * @throws OperatingError `page.unwritable`, `page.incomplete`
 */
export function writeJobPage(figures: JobFigures, looks: readonly EmbeddedLook[], path: string): string {
  const page = renderJobPage(figures, { assets: readPageAssets(), version: VERSION, looks });
  return `page of job ${figures.job.jobId}, ${writePage(page, path)}`;
}

/** @throws OperatingError `page.tasks` where it is that of several */
export function jobOfPage(account: Account): JobFigures {
  if (account.of === 'job') return account.figures;
  throw new OperatingError('--html: expected the id of one job, came that of several tasks', {
    code: 'page.tasks',
    exit: 'usage',
    hints: ['ask for one of them: 4217_3, 4217+1'],
  });
}

/** @returns how large it is, and where */
function writePage(page: string, path: string): string {
  try {
    writeFileSync(path, page);
  } catch (thrown) {
    throw fileError('the page cannot be written', thrown, {
      code: 'page.unwritable',
      exit: 'permission',
      where: path,
      hints: ['name another file: --html FILE'],
    });
  }
  return `${Math.ceil(Buffer.byteLength(page) / 1000)} kB: ${path}\n`;
}
