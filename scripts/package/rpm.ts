import { globSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.ts';
import { readMoments } from './moments.ts';
import { run } from './steps.ts';
import type { Made } from './tree.ts';
import { ABOUT, MAINTAINER } from './words.ts';

const RELEASE = 1;

/** Packs a tree for Red Hat's Linux, SUSE's, and what comes from them. */
export function writeRpm(path: string, tree: string, { machine }: Machine, made: Made): void {
  const top = `${tree}-rpm`;
  rmSync(top, { recursive: true, force: true });
  mkdirSync(top);
  const spec = join(top, 'gpuledger.spec');
  writeFileSync(spec, specOf(tree, made));
  const definitions = {
    _topdir: top,
    _rpmdir: join(top, 'made'),
    _rpmfilename: 'gpuledger.rpm',
    // As it is: nothing is stripped, packed or renamed here.
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
    _build_id_links: 'none',
    // One thread, since their number would change the bytes.
    _binary_payload: 'w1.xzdio',
    _buildhost: 'gpuledger',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    source_date_epoch_from_changelog: '0',
  };
  run(
    'rpmbuild',
    [
      ...['-bb', '--quiet', '--target', `${machine}-linux`],
      ...Object.entries(definitions).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
      spec,
    ],
    { env: { ...process.env, SOURCE_DATE_EPOCH: String(made.epochS), LC_ALL: 'C' } },
  );
  renameSync(join(top, 'made/gpuledger.rpm'), path);
  rmSync(top, { recursive: true });
}

function specOf(tree: string, { version, epochS }: Made): string {
  const moments = readMoments();
  const date = new Date(1000 * epochS);
  const day = date.toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) .*/, '$1 $3 $2 $4');
  return `Name: gpuledger
Version: ${version}
Release: ${RELEASE}
Summary: ${ABOUT.short[0]!.toUpperCase()}${ABOUT.short.slice(1)}
License: Apache-2.0
Group: System/Monitoring
Packager: ${MAINTAINER}
AutoReqProv: no
Requires: /bin/sh
Requires: libc.so.6(GLIBC_2.28)(64bit)
Requires: libstdc++.so.6(GLIBCXX_3.4.21)(64bit)
Requires: libgcc_s.so.1()(64bit)

%description
${ABOUT.long.map((line) => (line === '.' ? '' : line)).join('\n')}

%install
mkdir -p %{buildroot}
cp -a '${tree}'/. %{buildroot}/

%post
${moments.afterInstall}
%preun
if [ "$1" = 0 ]; then
${moments.beforeRemoval}fi

%postun
if [ "$1" = 0 ]; then
${moments.afterRemoval}fi

%posttrans
${moments.afterUpgrade}
%files
%defattr(-,root,root,-)
${filesOf(tree).join('\n')}

%changelog
* ${day} ${MAINTAINER} - ${version}-${RELEASE}
- What is new: /usr/share/doc/gpuledger/changelog.gz
`;
}

/** Every file, and the directories that are its own. */
function filesOf(tree: string): readonly string[] {
  return globSync('**', { cwd: tree })
    .sort()
    .flatMap((path) => {
      if (lstatSync(join(tree, path)).isDirectory())
        return /\/gpuledger(\/|$)/.test(path) ? [`%dir "/${path}"`] : [];
      if (path.startsWith('etc/')) return [`%config(noreplace) "/${path}"`];
      return [`${/^usr\/share\/(doc|man)\//.test(path) ? '%doc ' : ''}"/${path}"`];
    });
}
