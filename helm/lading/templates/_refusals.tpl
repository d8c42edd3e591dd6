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
{{- with $pipeline.defaults -}}
{{- include "lading.noSecrets" (dict "where" "pipeline: defaults.env" "env" .env) -}}
{{- end -}}
{{- range $name, $stage := $pipeline.stages -}}
{{- $own := kindIs "map" $stage | ternary $stage dict -}}
{{- $settings := $own.settings | default dict -}}
{{- include "lading.noSecrets" (dict "where" (printf "pipeline: stages.%s.env" $name) "env" $own.env) -}}
{{- include "lading.noSecrets" (dict "where" (printf "pipeline: stages.%s.settings.env" $name) "env" $settings.env) -}}
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
