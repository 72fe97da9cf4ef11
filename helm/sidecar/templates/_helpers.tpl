{{- define "sidecar.name" -}}
{{- default "sidecar" .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* 40 characters leave room for what is appended: -policies-0123456789 */}}
{{- define "sidecar.fullname" -}}
{{- $name := default "sidecar" .Values.nameOverride }}
{{- if .Values.fullnameOverride }}{{ $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}{{ $name = printf "%s-%s" .Release.Name $name }}
{{- else }}{{ $name = .Release.Name }}
{{- end }}
{{- $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "sidecar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sidecar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sidecar.labels" -}}
{{ include "sidecar.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sidecar.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}
{{- else }}{{ printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The files under /etc/sidecar: the platform's and the policies. */}}
{{- define "sidecar.configData" -}}
sidecar.yaml: {{ include "sidecar.platform" . | toJson }}
{{- range $name, $text := .Values.policies.files }}
{{ $name }}: {{ $text | toJson }}
{{- end }}
{{- end }}

{{/* sidecar.yaml. Rows are archived in any case: where no folder is named, they get what the journal leaves. */}}
{{- define "sidecar.platform" -}}
{{- $platform := deepCopy .Values.platform }}
{{- $archive := default dict $platform.archive }}
{{- if not $archive.to }}
{{- $left := sub (include "sidecar.room" . | int64) (include "sidecar.bytes" $platform.journal.max_bytes | int64) }}
{{- $_ := set $platform "archive" (merge $archive (dict "to" "archive" "max_bytes" (printf "%dMiB" (div $left 1048576)))) }}
{{- end }}
{{- toYaml $platform }}
{{- end }}

{{/* What journal and archive may take of the volume, in bytes. */}}
{{- define "sidecar.room" -}}
{{- div (mul (include "sidecar.bytes" .Values.volume.size | int64) 9) 10 }}
{{- end }}

{{/* rolling: the name says the content, so a pod template names one content for ever. */}}
{{- define "sidecar.configName" -}}
{{- $name := printf "%s-policies" (include "sidecar.fullname" .) }}
{{- if eq .Values.policies.rollout "rolling" }}
{{- printf "%s-%s" $name (include "sidecar.configData" . | sha256sum | trunc 10) }}
{{- else }}
{{- $name }}
{{- end }}
{{- end }}

{{- define "sidecar.keySecret" -}}
{{- with .Values.key }}
{{- if .existingSecret }}{{ .existingSecret }}
{{- else if .value }}{{ printf "%s-key" (include "sidecar.fullname" $) }}
{{- end }}
{{- end }}
{{- end }}

{{/* "2GiB" or "2Gi" in bytes. */}}
{{- define "sidecar.bytes" -}}
{{- $units := dict "K" 1024 "M" 1048576 "G" 1073741824 "T" 1099511627776 }}
{{- mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[KMGT]" .) | int64) }}
{{- end }}

{{/* What a schema cannot say. */}}
{{- define "sidecar.validate" -}}
{{- $v := .Values }}
{{- $url := dig "upstream" "url" "" $v.platform }}
{{- if not (or $v.upstream $url $v.policies.files) }}
{{- fail "upstream: nothing says where the model is; set upstream: http://MODEL:PORT" }}
{{- end }}
{{- if not (or $v.upstream $url $v.platform.environments) }}
{{- range $name, $text := $v.policies.files }}
{{- range $part := regexSplit "(?m)^---" $text -1 }}
{{- $policy := fromYaml $part }}
{{- if and $policy.policy (not $policy.upstream) (not (and (kindIs "map" $policy.model) $policy.model.upstream)) }}
{{- fail (printf "upstream: nothing says where the model of the policy %v in %s is; set upstream: http://MODEL:PORT, or `upstream: {url: …}` in that policy" $policy.policy $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.key.existingSecret $v.key.value }}
{{- fail "key: existingSecret and value are both set; keep one" }}
{{- end }}
{{- if hasKey $v.policies.files "sidecar.yaml" }}
{{- fail "policies.files: sidecar.yaml is the platform's file; its content goes to `platform`" }}
{{- end }}
{{- if gt (len (include "sidecar.configData" .)) 1000000 }}
{{- fail "policies.files: more than a ConfigMap holds (1 MB); split the release" }}
{{- end }}
{{- $s := $v.shutdown }}
{{- $needed := add $s.preStopSeconds $s.drainSeconds $s.flushSeconds 5 }}
{{- if and (eq $v.mode "standalone") (lt (int $s.gracePeriodSeconds) (int $needed)) }}
{{- fail (printf "shutdown.gracePeriodSeconds: %d is too short; preStopSeconds, drainSeconds, flushSeconds and 5 seconds are %d" (int $s.gracePeriodSeconds) (int $needed)) }}
{{- end }}
{{- $used := include "sidecar.bytes" $v.platform.journal.max_bytes | int64 }}
{{- $archive := default dict $v.platform.archive }}
{{- $to := default "archive" $archive.to }}
{{- if or (not (hasPrefix "/" $to)) (hasPrefix "/data/" $to) }}
{{- if $archive.max_bytes }}
{{- $used = add $used (include "sidecar.bytes" $archive.max_bytes | int64) }}
{{- else if $archive.to }}
{{- fail "platform.archive.max_bytes: an archive on the volume needs a limit" }}
{{- end }}
{{- end }}
{{- $room := include "sidecar.room" . | int64 }}
{{- if gt (int64 $used) (int64 $room) }}
{{- fail (printf "volume.size: journal.max_bytes and archive.max_bytes together are %d MiB, and nine tenths of %s are %d MiB; a pod that outgrows its volume is evicted" (div $used 1048576) $v.volume.size (div $room 1048576)) }}
{{- end }}
{{- if and (not $archive.to) (not $archive.max_bytes) (lt (sub $room $used) 67108864) }}
{{- fail (printf "volume.size: journal.max_bytes leaves %d MiB of %s for the archive, which needs 64; say platform.archive, where else rows go, or give more" (div (sub $room $used) 1048576) $v.volume.size) }}
{{- end }}
{{- if eq $v.volume.type "existingClaim" }}
{{- if not $v.volume.existingClaim }}
{{- fail "volume.existingClaim: give the claim's name" }}
{{- end }}
{{- if gt (int $v.replicaCount) 1 }}
{{- fail "volume.type: existingClaim serves one replica; one folder serves one instance: take ephemeral or emptyDir" }}
{{- end }}
{{- end }}
{{- if eq $v.mode "standalone" }}
{{- if and (gt (int $v.replicaCount) 1) (not (include "sidecar.keySecret" .)) }}
{{- fail "key: replicas need a shared key, or they hash and sample differently; set key.existingSecret" }}
{{- end }}
{{- if and $v.podDisruptionBudget.enabled (lt (int $v.replicaCount) 2) }}
{{- fail "podDisruptionBudget: with one replica it keeps nodes from being drained; set replicaCount to 2 or more" }}
{{- end }}
{{- else }}
{{- range tuple "podDisruptionBudget" "networkPolicy" "serviceMonitor" "podMonitor" }}
{{- if (get $v .).enabled }}
{{- fail (printf "%s: with mode native-sidecar the pod is yours, and so is this; disable it here" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The admin port tells all that the health port does, and what the observers counted. */}}
{{- define "sidecar.scrape" -}}
{{- if .root.Values.adminToken.existingSecret }}
- port: admin
  path: /metrics
  interval: {{ .interval }}
  authorization:
    type: Bearer
    credentials:
      name: {{ .root.Values.adminToken.existingSecret }}
      key: {{ .root.Values.adminToken.secretKey }}
{{- else }}
- port: health
  path: /metrics
  interval: {{ .interval }}
{{- end }}
{{- end }}
