import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills a process, its group, and every process that descends from it, those included that made a session of their own.
 * The group alone is not enough: compilers and candidates run in sessions of theirs.
 */
export function killTree(pid: number): void {
  if (pid <= 1) return;
  const below = descendants(pid);
  signal(-pid);
  signal(pid);
  for (const one of below) signal(one);
}

function signal(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of processIds()) {
    const parent = parentOf(entry);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), entry]);
  }
  const found: number[] = [];
  for (let next = children.get(pid) ?? []; next.length > 0; next = next.flatMap((one) => children.get(one) ?? [])) {
    found.push(...next);
  }
  return found;
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((id) => Number.isInteger(id));
  } catch {
    return []; // no /proc: the group is all that can be reached
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name stands in brackets and may hold spaces and brackets itself.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
