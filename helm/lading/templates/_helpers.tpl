{{/* The chart's name. */}}
{{- define "lading.name" -}}
lading
{{- end }}

{{/* What everything of a release is called: the release's name alone, so that `cronjob/digits-1-retrain` is what one expects. */}}
{{- define "lading.fullname" -}}
{{- .Release.Name | replace "." "-" | trunc 53 | trimSuffix "-" -}}
{{- end }}

{{/* A CronJob's name, within 52 characters: a long release's name is cut and told apart by a hash. Takes root and suffix. */}}
{{- define "lading.cronName" -}}
{{- $full := include "lading.fullname" .root -}}
{{- $room := int (sub 51 (len .suffix)) -}}
{{- if gt (len $full) $room -}}
{{- $full = printf "%s-%s" ($full | trunc (int (sub $room 7)) | trimSuffix "-") ($full | sha256sum | trunc 6) -}}
{{- end -}}
{{- printf "%s-%s" $full .suffix -}}
{{- end }}

{{- define "lading.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Labels that never change with the chart's version: the only ones in pod templates. */}}
{{- define "lading.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lading.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lading.labels" -}}
helm.sh/chart: {{ include "lading.chart" . }}
{{ include "lading.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The launcher's account: the values', else the one that `kubernetes` names, as for `lading submit`, else the release's. */}}
{{- define "lading.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "lading.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default (include "lading.launcherSettings" . | fromJson).service_account | default $default -}}
{{- end }}

{{/* The accounts that the release makes, to their annotations, as JSON: the launcher's, and one that the pipeline annotates. One that
`kubernetes` names and nothing annotates is someone's. */}}
{{- define "lading.accounts" -}}
{{- $found := dict -}}
{{- if .Values.serviceAccount.create -}}
{{- $map := include "lading.kubernetes" . | fromJson -}}
{{- $annotations := .Values.serviceAccount.annotations -}}
{{- $named := (include "lading.launcherSettings" . | fromJson).service_account -}}
{{- if or .Values.serviceAccount.name $annotations (not $named) -}}
{{- $_ := set $found (include "lading.serviceAccountName" .) $annotations -}}
{{- end -}}
{{- with $map.service_account_annotations -}}
{{- $name := required "kubernetes.service_account_annotations are there and no `service_account`: name it" $map.service_account -}}
{{- $_ := set $found $name (merge (deepCopy (get $found $name | default dict)) .) -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* The stages' account: the one that `kubernetes` names, else the launcher's where that has an identity. They get no API token of it. */}}
{{- define "lading.stagesAccount" -}}
{{- $map := include "lading.kubernetes" . | fromJson -}}
{{- if $map.service_account -}}
{{- $map.service_account -}}
{{- else if or .Values.serviceAccount.annotations (and (not .Values.serviceAccount.create) .Values.serviceAccount.name) -}}
{{- include "lading.serviceAccountName" . -}}
{{- end -}}
{{- end }}

{{/* The headless Service of this release's training pods; a Service's name begins with a letter, a release's need not. */}}
{{- define "lading.serviceName" -}}
lading-{{ include "lading.fullname" . }}
{{- end }}

{{/* The pipeline's entry in the ConfigMap. It names the text, so that a launcher that is being replaced never reads its successor's. */}}
{{- define "lading.pipelineKey" -}}
pipeline-{{ .Values.pipeline | sha256sum | trunc 8 }}.yaml
{{- end }}

{{/* The pipeline's own `kubernetes:` map, as JSON. */}}
{{- define "lading.own" -}}
{{- (.Values.pipeline | fromYaml).kubernetes | default dict | toJson -}}
{{- end }}

{{/* That map with the values' over it, field by field, as JSON. */}}
{{- define "lading.kubernetes" -}}
{{- $map := include "lading.own" . | fromJson -}}
{{- range $field, $value := .Values.kubernetes -}}
{{- $_ := set $map $field $value -}}
{{- end -}}
{{- $map | toJson -}}
{{- end }}

{{/* What the launcher's pod gets of it, as JSON, by the rule of `lading submit` (config/cluster.py): as a stage `launcher` would, but nothing
that is there for GPUs. `launcher` of the values comes over that; maps are merged, lists and words replaced. */}}
{{- define "lading.launcherSettings" -}}
{{- $map := include "lading.kubernetes" . | fromJson -}}
{{- $own := ($map.stages | default dict).launcher | default dict -}}
{{- $found := dict "runtime_class" $own.runtime_class -}}
{{- range $field := list "tolerations" "priority_class" "service_account" -}}
{{- $_ := set $found $field (hasKey $own $field | ternary (get $own $field) (get $map $field)) -}}
{{- end -}}
{{- if hasKey $own "env_from_secrets" -}}
{{- $_ := set $found "env_from_secrets" (append $own.env_from_secrets .Values.store.secret | compact | uniq) -}}
{{- else -}}
{{- $_ := set $found "env_from_secrets" (include "lading.secrets" . | fromJsonArray) -}}
{{- end -}}
{{- $mine := dict "env" .Values.launcher.env "node_selector" .Values.launcher.nodeSelector -}}
{{- range $field := list "node_selector" "affinity" "labels" "annotations" "env" -}}
{{- $laid := dict -}}
{{- range $one := list (get $map $field | default dict) (get $own $field | default dict) (get $mine $field | default dict) -}}
{{- range $name, $value := $one -}}
{{- $_ := set $laid $name $value -}}
{{- end -}}
{{- end -}}
{{- $_ := set $found $field $laid -}}
{{- end -}}
{{- with .Values.launcher.tolerations -}}
{{- $_ := set $found "tolerations" . -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* Secrets whose entries are environment of launcher and stages: the pipeline's, the values' and the store's. */}}
{{- define "lading.secrets" -}}
{{- $own := include "lading.own" . | fromJson -}}
{{- concat ($own.env_from_secrets | default list) (.Values.kubernetes.env_from_secrets | default list) (list .Values.store.secret) | compact | uniq | toJson -}}
{{- end }}

{{- define "lading.pullSecrets" -}}
{{- $own := include "lading.own" . | fromJson -}}
{{- concat ($own.image_pull_secrets | default list) .Values.images.pullSecrets | uniq | toJson -}}
{{- end }}

{{/* The images, as JSON: the values', else the pipeline's own, else what `lading render` would name. */}}
{{- define "lading.images" -}}
{{- $own := (include "lading.own" . | fromJson).images | default dict -}}
{{- $images := dict -}}
{{- range $name := list "launch" "train" "export" -}}
{{- $_ := set $images $name (get $.Values.images $name | default (get $own $name) | default (printf "lading-%s:latest" $name)) -}}
{{- end -}}
{{- $images | toJson -}}
{{- end }}

{{- define "lading.pullPolicy" -}}
{{- .Values.images.pullPolicy | default (include "lading.own" . | fromJson).image_pull_policy | default "IfNotPresent" -}}
{{- end }}

{{- define "lading.caBundle" -}}
{{- .Values.store.caBundle | default (include "lading.own" . | fromJson).ca_bundle | default "" -}}
{{- end }}

{{/* What --set puts over the pipeline's `kubernetes:` map, as a list of `field=value`. */}}
{{- define "lading.overrides" -}}
{{- $map := deepCopy .Values.kubernetes -}}
{{- $_ := set $map "env_from_secrets" (include "lading.secrets" . | fromJsonArray) -}}
{{- $_ := set $map "image_pull_secrets" (include "lading.pullSecrets" . | fromJsonArray) -}}
{{- with include "lading.caBundle" . -}}
{{- $_ := set $map "ca_bundle" . -}}
{{- end -}}
{{- $_ := set $map "image_pull_policy" (include "lading.pullPolicy" .) -}}
{{- $_ := set $map "namespace" .Release.Namespace -}}
{{- $_ := set $map "service" (include "lading.serviceName" .) -}}
{{- with include "lading.stagesAccount" . -}}
{{- $_ := set $map "service_account" . -}}
{{- end -}}
{{- /* the launcher sees the store as the stages do */ -}}
{{- $_ := set $map "store" nil -}}
{{- $_ := set $map "images" (include "lading.images" . | fromJson) -}}
{{- $list := list -}}
{{- range $field := keys $map | sortAlpha -}}
{{- $list = append $list (printf "kubernetes.%s=%s" $field (get $map $field | toJson)) -}}
{{- end -}}
{{- $list | toJson -}}
{{- end }}

{{/* `lading VERB /etc/lading/pipeline.yaml --backend kubernetes ...`, as a list. Takes root, words before the file and more behind it. */}}
{{- define "lading.command" -}}
{{- $command := concat (list "lading") .words (list "/etc/lading/pipeline.yaml" "--backend" "kubernetes" "--store" .root.Values.store.uri) .more -}}
{{- range include "lading.overrides" .root | fromJsonArray -}}
{{- $command = concat $command (list "--set" .) -}}
{{- end -}}
{{- $command | toJson -}}
{{- end }}

{{/* A pod's part of the restricted standard. */}}
{{- define "lading.podSecurityContext" -}}
{{- $id := .Values.kubernetes.user_id | default (include "lading.own" . | fromJson).user_id | default 65532 | int -}}
runAsNonRoot: true
runAsUser: {{ $id }}
runAsGroup: {{ $id }}
fsGroup: {{ $id }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* A container's part of it. */}}
{{- define "lading.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The metadata of such a pod: the settings' labels, under the chart's own. Takes root, component and, of a launcher, run. */}}
{{- define "lading.podMetadata" -}}
{{- $settings := include "lading.launcherSettings" .root | fromJson -}}
{{- $labels := $settings.labels -}}
{{- range $name, $value := include "lading.selectorLabels" .root | fromYaml -}}
{{- $_ := set $labels $name $value -}}
{{- end -}}
{{- $_ := set $labels "app.kubernetes.io/component" .component -}}
{{- with .run -}}
{{- $_ := set $labels "lading/run" . -}}
{{- end -}}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $settings.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The spec of a pod that runs lading's command line. Takes root, name (its container), command (JSON), token, tick and pipeline. */}}
{{- define "lading.podSpec" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $ca := include "lading.caBundle" $root -}}
{{- $settings := include "lading.launcherSettings" $root | fromJson -}}
{{- $env := dict "HOME" "/scratch" "TMPDIR" "/scratch" "LADING_CACHE" "/scratch/cache" -}}
{{- if .token -}}
{{- $_ := set $env "LADING_OWNER" (include "lading.fullname" $root) -}}
{{- end -}}
{{- range $name, $value := $settings.env -}}
{{- $_ := set $env $name $value -}}
{{- end -}}
{{- if $ca -}}
{{- $_ := set $env "AWS_CA_BUNDLE" "/etc/lading-ca/ca.crt" -}}
{{- end -}}
restartPolicy: Never
serviceAccountName: {{ include "lading.serviceAccountName" $root }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
terminationGracePeriodSeconds: 30
securityContext:
  {{- include "lading.podSecurityContext" $root | nindent 2 }}
{{- with include "lading.pullSecrets" $root | fromJsonArray }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $settings.node_selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.priority_class }}
priorityClassName: {{ . }}
{{- end }}
{{- with $settings.runtime_class }}
runtimeClassName: {{ . }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ (include "lading.images" $root | fromJson).launch | quote }}
    imagePullPolicy: {{ include "lading.pullPolicy" $root }}
    command: {{ .command }}
    env:
      {{- if .tick }}
      - name: LADING_TICK
        valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
      {{- end }}
      {{- range $name, $value := $env }}
      - name: {{ $name }}
        value: {{ kindIs "float64" $value | ternary ($value | toJson) $value | quote }}
      {{- end }}
    {{- with $settings.env_from_secrets }}
    envFrom:
      {{- range . }}
      - secretRef: {name: {{ . }}}
      {{- end }}
    {{- end }}
    resources:
      {{- toYaml $values.launcher.resources | nindent 6 }}
    securityContext:
      {{- include "lading.containerSecurityContext" $root | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      {{- if .pipeline }}
      - {name: pipeline, mountPath: /etc/lading, readOnly: true}
      {{- end }}
      - {name: scratch, mountPath: /scratch}
      {{- if $ca }}
      - {name: ca, mountPath: /etc/lading-ca, readOnly: true}
      {{- end }}
volumes:
  {{- if .pipeline }}
  - name: pipeline
    configMap:
      name: {{ include "lading.fullname" $root }}
      items: [{key: {{ include "lading.pipelineKey" $root }}, path: pipeline.yaml}]
  {{- end }}
  - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
  {{- if $ca }}
  - name: ca
    configMap: {name: {{ $ca }}}
  {{- end }}
{{- end }}

{{/* What decides whether the pods of a launcher are tried again: an end of the run is final, a disruption counts for nothing. */}}
{{- define "lading.podFailurePolicy" -}}
rules:
  - action: FailJob
    onExitCodes: {containerName: {{ . }}, operator: In, values: [1, 2, 3, 130]}
  - action: Ignore
    onPodConditions: [{type: DisruptionTarget, status: "True"}]
{{- end }}

{{/* The launcher Job's whole spec. Takes root and run. */}}
{{- define "lading.launcherSpec" -}}
{{- $command := include "lading.command" (dict "root" .root "words" (list "run") "more" (list "--run" .run)) -}}
backoffLimit: 100
podFailurePolicy:
  {{- include "lading.podFailurePolicy" "launcher" | nindent 2 }}
template:
  metadata:
    {{- include "lading.podMetadata" (dict "root" .root "component" "launcher" "run" .run) | nindent 4 }}
  spec:
    {{- include "lading.podSpec" (dict "root" .root "name" "launcher" "command" $command "token" true "tick" false "pipeline" true) | nindent 4 }}
{{- end }}

{{/* The run's id and the launcher Job's name: the release and a hash of all that the Job is made of. Whatever changes the Job, which can't
be changed, starts another; what changes nothing starts nothing, at any revision. */}}
{{- define "lading.run" -}}
{{- $spec := include "lading.launcherSpec" (dict "root" . "run" "RUN") -}}
{{- printf "%s-%s" (include "lading.fullname" .) (printf "%s\n%s\n%v" $spec .Values.pipeline .Values.again | sha256sum | trunc 8) -}}
{{- end }}

{{/* Refuses a secret that is written down in an environment: by config/secretive.py, whose lines these are. Takes where and env. */}}
{{- define "lading.noSecrets" -}}
{{- $where := .where -}}
{{- range $name, $value := .env -}}
{{- if and (kindIs "string" $value) (ge (len $value) 6) -}}
{{- $named := and (regexMatch "SECRET|PASSW|PASSPHRASE|TOKEN(_|$)|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY" (upper $name)) (not (regexMatch "_(FILE|PATH|DIR|URL|URI|NAME|ARN)$" (upper $name))) -}}
{{- if or $named (regexMatch "^[a-zA-Z][a-zA-Z0-9+.-]*://[^/@:]*:[^/@]+@" $value) -}}
{{- fail (printf "%s.%s: it looks like a secret, and whoever may read the release or the Job would read it\n\n  do: kubectl create secret generic NAME --from-literal=%s=..., then name that: --set store.secret=NAME, or env_from_secrets: [NAME] in `kubernetes`" $where $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses what a pod would only find out later. */}}
{{- define "lading.validate" -}}
{{- if not .Values.pipeline -}}
{{- fail (printf "pipeline: there is none\n\n  do: helm upgrade --install %s helm/lading --set-file pipeline=FILE" .Release.Name) -}}
{{- end -}}
{{- if not (contains ":" .Values.pipeline) -}}
{{- fail (printf "pipeline: %s is the text of none\n\n  do: pass the text of the file, not its name: --set-file pipeline=FILE" (.Values.pipeline | trunc 80 | quote)) -}}
{{- end -}}
{{- $pipeline := .Values.pipeline | fromYaml -}}
{{- if hasKey $pipeline "Error" -}}
{{- fail (printf "pipeline: it is not YAML: %s\n\n  do: lading plan FILE says what is wrong, and in which line" $pipeline.Error) -}}
{{- end -}}
{{- if not (kindIs "map" $pipeline.stages) -}}
{{- fail "pipeline: it has no `stages`; is it a pipeline?\n\n  do: pass its text, not its name: --set-file pipeline=FILE" -}}
{{- end -}}
{{- include "lading.noSecrets" (dict "where" "launcher.env" "env" .Values.launcher.env) -}}
{{- range $where, $map := dict "kubernetes" .Values.kubernetes "pipeline: kubernetes" ($pipeline.kubernetes | default dict) -}}
{{- include "lading.noSecrets" (dict "where" (printf "%s.env" $where) "env" $map.env) -}}
{{- range $stage, $own := $map.stages -}}
{{- include "lading.noSecrets" (dict "where" (printf "%s.stages.%s.env" $where $stage) "env" ($own | default dict).env) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.store.uri -}}
{{- fail "store.uri: there is none, and a folder is not seen by pods\n\n  do: --set store.uri=s3://bucket/prefix" -}}
{{- end -}}
{{- range $name, $stage := $pipeline.stages -}}
{{- $settings := (kindIs "map" $stage | ternary $stage dict).settings | default dict -}}
{{- $named := list -}}
{{- if kindIs "slice" $settings.files -}}
{{- $named = $settings.files -}}
{{- end -}}
{{- range $key, $value := $settings -}}
{{- if and (kindIs "map" $value) (ne $key "env") (hasKey $value "file") -}}
{{- $named = append $named $value.file -}}
{{- end -}}
{{- end -}}
{{- range $file := $named -}}
{{- $path := "" -}}
{{- if kindIs "string" $file -}}
{{- $path = $file -}}
{{- else if and (kindIs "map" $file) (not $file.sha256) -}}
{{- $path = $file.path | default "" -}}
{{- end -}}
{{- if $path -}}
{{- fail (printf "pipeline: stage %s names the file %s, which pods can't see\n\n  do: lading resolve FILE --store %s >resolved.json, then --set-file pipeline=resolved.json" $name $path $.Values.store.uri) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
