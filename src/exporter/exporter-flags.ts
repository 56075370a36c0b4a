/**
 * The flags and variables of dcgm-exporter 4.8.4, and what becomes of each here. Help, refusals, notices and the table of
 * `docs/from-dcgm-exporter.md` are made of this.
 */

/**
 * `key`: it sets that key of the configuration. `own`: the exporter's alone. `ignored`: it changes nothing, which is said once where it
 * is set. `refused`: what it asks for would be missing in silence.
 */
type Becomes =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'own' }
  | { readonly kind: 'ignored' | 'refused'; readonly why: string };

export interface ExporterFlag {
  /** Long name, without dashes. */
  readonly name: string;
  /** Other names, of which Go takes longer ones behind a single dash, too. */
  readonly alias?: string;
  readonly variable: string;
  /** What stands behind it; absent: it is on or off. */
  readonly value?: string;
  readonly doc: string;
  readonly becomes: Becomes;
}

const key = (name: string): Becomes => ({ kind: 'key', key: name });
const own: Becomes = { kind: 'own' };
const ignored = (why: string): Becomes => ({ kind: 'ignored', why });
const refused = (why: string): Becomes => ({ kind: 'refused', why });

const NO_PODS = ignored('series have no labels of pods');
const NO_DUMPS = ignored('nothing is dumped; gpuledger dmon and the recording source show what was sampled');
const NO_LINKS = ignored('NVSwitches, links and CPUs have no series');

// prettier-ignore
export const EXPORTER_FLAGS: readonly ExporterFlag[] = [
  { name: 'collectors', alias: 'f', variable: 'DCGM_EXPORTER_COLLECTORS', value: '<file>', doc: 'counters file (default: /etc/dcgm-exporter/default-counters.csv, else the same list, built in)', becomes: key('metrics.counters_file') },
  { name: 'address', alias: 'a', variable: 'DCGM_EXPORTER_LISTEN', value: '<address>', doc: 'where it is scraped (default: :9400, all addresses)', becomes: key('metrics.listen') },
  { name: 'collect-interval', alias: 'c', variable: 'DCGM_EXPORTER_INTERVAL', value: '<ms>', doc: 'interval of what no lane of the configuration samples, in milliseconds (default: 30000)', becomes: own },
  { name: 'devices', alias: 'd', variable: 'DCGM_EXPORTER_DEVICES_STR', value: '<selector>', doc: 'which devices: f, g[:list], i[:list], g:…+i:… (default: f)', becomes: key('devices') },
  { name: 'remote-hostengine-info', alias: 'r', variable: 'DCGM_REMOTE_HOSTENGINE_INFO', value: '<address>', doc: 'host engine to share: host[:port], tcp://host:port or unix:///path (default: an embedded one)', becomes: key('dcgm.engine') },
  { name: 'use-old-namespace', alias: 'o', variable: 'DCGM_EXPORTER_USE_OLD_NAMESPACE', doc: 'label uuid instead of UUID', becomes: own },
  { name: 'no-hostname', alias: 'n', variable: 'DCGM_EXPORTER_NO_HOSTNAME', doc: 'no label of the host', becomes: own },
  { name: 'replace-blanks-in-model-name', alias: 'rbmn', variable: 'DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME', doc: 'NVIDIA-H200 instead of NVIDIA H200', becomes: own },
  { name: 'web-config-file', variable: 'DCGM_EXPORTER_WEB_CONFIG_FILE', value: '<file>', doc: 'TLS and users, in the format of exporter-toolkit', becomes: key('metrics.web_config_file') },
  { name: 'web-systemd-socket', variable: 'DCGM_EXPORTER_SYSTEMD_SOCKET', doc: 'listen on the socket that systemd hands over', becomes: own },
  { name: 'web-read-timeout', variable: 'DCGM_EXPORTER_WEB_READ_TIMEOUT', value: '<duration>', doc: 'how long a scraper may take to ask (default: 10s)', becomes: key('metrics.read_timeout') },
  { name: 'web-write-timeout', variable: 'DCGM_EXPORTER_WEB_WRITE_TIMEOUT', value: '<duration>', doc: 'how long it may take to read the answer (default: 30s)', becomes: key('metrics.write_timeout') },
  { name: 'max-concurrent-scrapes', variable: 'DCGM_EXPORTER_MAX_CONCURRENT_SCRAPES', value: '<count>', doc: 'scrapes at a time (default: 16)', becomes: key('metrics.concurrent_scrapes') },
  { name: 'hpc-job-mapping-dir', variable: 'DCGM_HPC_JOB_MAPPING_DIR', value: '<dir>', doc: 'directory with one file of job ids a GPU', becomes: key('jobs.hpc_job_mapping_dir') },
  { name: 'debug', variable: 'DCGM_EXPORTER_DEBUG', doc: 'tell more', becomes: own },
  { name: 'log-format', variable: 'DCGM_EXPORTER_LOG_FORMAT', value: '<format>', doc: 'text or json', becomes: own },
  { name: 'kubernetes', alias: 'k', variable: 'DCGM_EXPORTER_KUBERNETES', doc: 'labels of pods: there are none here', becomes: NO_PODS },
  { name: 'pod-resources-kubelet-socket', variable: 'DCGM_POD_RESOURCES_KUBELET_SOCKET', value: '<path>', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-gpu-id-type', variable: 'DCGM_EXPORTER_KUBERNETES_GPU_ID_TYPE', value: '<type>', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-enable-pod-labels', variable: 'DCGM_EXPORTER_KUBERNETES_ENABLE_POD_LABELS', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-enable-pod-uid', variable: 'DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-pod-label-allowlist-regex', variable: 'DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX', value: '<list>', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-virtual-gpus', variable: 'KUBERNETES_VIRTUAL_GPUS', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'kubernetes-enable-dra', variable: 'KUBERNETES_ENABLE_DRA', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'nvidia-resource-names', variable: 'NVIDIA_RESOURCE_NAMES', value: '<list>', doc: 'of labels of pods', becomes: NO_PODS },
  { name: 'container-labels', variable: 'DCGM_EXPORTER_CONTAINER_LABELS', doc: 'labels of containers: there are none here', becomes: ignored('series have no labels of containers') },
  { name: 'container-runtime-socket', variable: 'DCGM_CONTAINER_RUNTIME_SOCKET', value: '<path>', doc: 'of labels of containers', becomes: ignored('series have no labels of containers') },
  { name: 'switch-devices', alias: 's', variable: 'DCGM_EXPORTER_OTHER_DEVICES_STR', value: '<selector>', doc: 'which NVSwitches: none has series here', becomes: NO_LINKS },
  { name: 'cpu-devices', alias: 'p', variable: 'DCGM_EXPORTER_CPU_DEVICES_STR', value: '<selector>', doc: 'which CPUs: none has series here', becomes: NO_LINKS },
  { name: 'configmap-data', alias: 'm', variable: 'DCGM_EXPORTER_CONFIGMAP_DATA', value: '<namespace:name>', doc: 'counters from a ConfigMap: mount it, and name the file with -f', becomes: refused('mount the ConfigMap, and name the file with -f: it is read again when it changes') },
  { name: 'config-file', variable: 'DCGM_EXPORTER_CONFIG_FILE', value: '<file>', doc: "dcgm-exporter's own YAML is not read here", becomes: refused('name the counters with -f, and lanes with --config (docs/configuration.md)') },
  { name: 'xid-count-window-size', alias: 'x', variable: 'DCGM_EXPORTER_XID_COUNT_WINDOW_SIZE', value: '<ms>', doc: 'window of DCGM_EXP_XID_ERRORS_COUNT, in milliseconds (default: 300000)', becomes: own },
  { name: 'clock-events-count-window-size', variable: 'DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE', value: '<ms>', doc: 'window of DCGM_EXP_CLOCK_EVENTS_COUNT, in milliseconds (default: 300000)', becomes: own },
  { name: 'enable-exporter-metrics', variable: 'DCGM_EXPORTER_ENABLE_EXPORTER_METRICS', doc: 'how the exporter itself is: gpuledger_…', becomes: own },
  { name: 'watch-max-keep-age', variable: 'DCGM_EXPORTER_WATCH_MAX_KEEP_AGE', value: '<duration>', doc: 'how long the engine keeps samples: as long as they are needed', becomes: ignored('watches keep what is needed') },
  { name: 'watch-max-keep-samples', variable: 'DCGM_EXPORTER_WATCH_MAX_KEEP_SAMPLES', value: '<count>', doc: 'as that', becomes: ignored('watches keep what is needed') },
  { name: 'fake-gpus', variable: 'DCGM_EXPORTER_USE_FAKE_GPUS', doc: 'GPUs that were injected into an engine are as any', becomes: ignored('GPUs that were injected into an engine are as any') },
  { name: 'enable-dcgm-log', variable: 'DCGM_EXPORTER_ENABLE_DCGM_LOG', doc: "DCGM's own log", becomes: ignored('DCGM keeps its log by its own variables __DCGM_DBG_LVL and __DCGM_DBG_FILE') },
  { name: 'dcgm-log-level', variable: 'DCGM_EXPORTER_DCGM_LOG_LEVEL', value: '<level>', doc: 'as that', becomes: ignored('DCGM keeps its log by its own variables __DCGM_DBG_LVL and __DCGM_DBG_FILE') },
  { name: 'dump-enabled', variable: 'DCGM_EXPORTER_DUMP_ENABLED', doc: 'nothing is dumped', becomes: NO_DUMPS },
  { name: 'dump-directory', variable: 'DCGM_EXPORTER_DUMP_DIRECTORY', value: '<dir>', doc: 'nothing is dumped', becomes: NO_DUMPS },
  { name: 'dump-retention', variable: 'DCGM_EXPORTER_DUMP_RETENTION', value: '<hours>', doc: 'nothing is dumped', becomes: NO_DUMPS },
  { name: 'dump-compression', variable: 'DCGM_EXPORTER_DUMP_COMPRESSION', doc: 'nothing is dumped', becomes: NO_DUMPS },
  { name: 'disable-startup-validate', variable: 'DISABLE_STARTUP_VALIDATE', doc: 'libdcgm is looked for, not ldconfig', becomes: ignored('what is missing is told where it is missed') },
  { name: 'enable-gpu-bind-unbind-watch', variable: 'DCGM_EXPORTER_ENABLE_GPU_BIND_UNBIND_WATCH', doc: 'devices that come later: SIGHUP finds them', becomes: ignored('SIGHUP opens the devices anew') },
  { name: 'gpu-bind-unbind-poll-interval', variable: 'DCGM_EXPORTER_GPU_BIND_UNBIND_POLL_INTERVAL', value: '<duration>', doc: 'as that', becomes: ignored('SIGHUP opens the devices anew') },
  { name: 'enable-pprof', variable: 'DCGM_EXPORTER_ENABLE_PPROF', doc: "profiles of a Go program", becomes: ignored('this is no Go program') },
];
