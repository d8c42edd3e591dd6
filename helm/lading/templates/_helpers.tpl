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
