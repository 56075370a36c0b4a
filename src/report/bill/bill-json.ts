import { decimalText } from '../../core/costs/exact.ts';
import type { BillFigures } from '../../figures/bill/bill-figures.ts';
import { ratesJson } from '../../figures/bill/terms.ts';
import { dueOf, type BillRow, type BillTotals } from '../../figures/bill/totals.ts';

/** A bill as JSON: numbers in base units with the unit in the name, money as decimals of the currency, what is not known left out. */
export function billJson({ head, totals, before, untilUs, ...bill }: BillFigures): string {
  const { terms, missingHours, ...of } = head;
  const { gpuHour, gramsPerKwh } = terms;
  return `${JSON.stringify(
    {
      ...of,
      untilUs,
      ...bill,
      by: totals.by,
      cluster: totals.cluster,
      terms: {
        ...terms,
        gpuHour: ratesJson(gpuHour),
        gramsPerKwh: gramsPerKwh === 'hourly' ? undefined : gramsPerKwh,
        isGramsByHour: gramsPerKwh === 'hourly' ? true : undefined,
      },
      missingHours: missingHours === 0 ? undefined : missingHours,
      ...totalsJson(totals),
      before: before && {
        version: before.version,
        issuedUs: before.issuedUs,
        ...totalsJson(before.totals),
      },
    },
    undefined,
    2,
  )}\n`;
}

function totalsJson({ rows, all, places, unpricedModels, unsizedDevices }: BillTotals): object {
  return {
    rows: rows.map((row) => ({ ...namesOf(row), ...amountsJson(row, places) })),
    all: amountsJson(all, places),
    unpricedModels: unpricedModels.length === 0 ? undefined : unpricedModels.map((model) => model ?? null),
    unsizedDevices: unsizedDevices === 0 ? undefined : unsizedDevices,
  };
}

function namesOf({ name, node, model, cluster }: BillRow): object {
  return { name, node, model, cluster };
}

function amountsJson(amounts: BillTotals['all'], places: number): object {
  const money = (value: bigint | undefined): number | undefined =>
    value === undefined ? undefined : Number(decimalText(value, places));
  const { ownedUs, seconds, cost, credit, unpricedUs, idleTailUs, wattHours, energyUs, energyCost, grams } =
    amounts;
  return {
    ownedUs,
    seconds: Number(seconds),
    cost: money(cost),
    unpricedUs: unpricedUs === 0 ? undefined : unpricedUs,
    credit: money(credit),
    idleTailUs: credit === undefined ? undefined : idleTailUs,
    toPay: money(dueOf(amounts)),
    energyJoules: wattHours === undefined ? undefined : Number(wattHours) * 3600,
    energyUs,
    energyCost: money(energyCost),
    co2eGrams: grams === undefined ? undefined : Number(grams),
  };
}
