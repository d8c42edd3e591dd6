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
