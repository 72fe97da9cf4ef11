{{/*
For a pod of your own, with this chart as a dependency named `sidecar`:

  spec:
    securityContext: {{- include "sidecar.podSecurityContext" .Subcharts.sidecar | nindent 4 }}
    initContainers: {{- include "sidecar.initContainers" .Subcharts.sidecar | nindent 4 }}
    volumes: {{- include "sidecar.volumes" .Subcharts.sidecar | nindent 4 }}
*/}}

{{/* Both as sidecar containers. They stop in reverse: your containers, the gateway, then the observers. */}}
{{- define "sidecar.initContainers" -}}
- {{- include "sidecar.observersContainer" . | nindent 2 }}
- {{- include "sidecar.gatewayContainer" . | nindent 2 }}
  restartPolicy: Always
{{- end }}

{{/* fsGroup lets uid 65532 read the mounted Secrets. */}}
{{- define "sidecar.podSecurityContext" -}}
runAsNonRoot: true
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sidecar.containerSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sidecar.gatewayContainer" -}}
name: sidecar-gateway
image: {{ include "sidecar.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --observers=off
  - --data=/data
  - --policy=/etc/sidecar
  {{- with .Values.upstream }}
  - {{ printf "--upstream=%s" . | quote }}
  {{- end }}
  {{- with .Values.environment }}
  - {{ printf "--environment=%s" . | quote }}
  {{- end }}
  - --listen=:{{ .Values.ports.http }}
  - --health=:{{ .Values.ports.health }}
  - --workers={{ .Values.gateway.workers }}
  - --unmatched={{ .Values.gateway.unmatched }}
  - --pre-stop={{ .Values.shutdown.preStopSeconds }}s
  - --drain-timeout={{ .Values.shutdown.drainSeconds }}s
  {{- if include "sidecar.keySecret" . }}
  - --secret-file=/run/secrets/sidecar/key/{{ .Values.key.secretKey }}
  {{- end }}
  {{- if .Values.feedbackToken.existingSecret }}
  - --feedback-token-file=/run/secrets/sidecar/feedback/{{ .Values.feedbackToken.secretKey }}
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  - --tls-cert=/run/secrets/sidecar/tls/tls.crt
  - --tls-key=/run/secrets/sidecar/tls/tls.key
  {{- end }}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- with .Values.gateway.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - {name: http, containerPort: {{ .Values.ports.http }}}
  - {name: health, containerPort: {{ .Values.ports.health }}}
# Not /readyz: that waits for the model, and a model in the same pod is not started before this probe has succeeded.
startupProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
resources: {{- toYaml .Values.gateway.resources | nindent 2 }}
securityContext: {{- include "sidecar.containerSecurityContext" . | nindent 2 }}
volumeMounts:
  - {name: sidecar-data, mountPath: /data}
  - {name: sidecar-policies, mountPath: /etc/sidecar, readOnly: true}
  - {name: sidecar-podinfo, mountPath: /etc/podinfo, readOnly: true}
  {{- if include "sidecar.keySecret" . }}
  - {name: sidecar-key, mountPath: /run/secrets/sidecar/key, readOnly: true}
  {{- end }}
  {{- if .Values.feedbackToken.existingSecret }}
  - {name: sidecar-feedback-token, mountPath: /run/secrets/sidecar/feedback, readOnly: true}
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  - {name: sidecar-tls, mountPath: /run/secrets/sidecar/tls, readOnly: true}
  {{- end }}
  {{- with .Values.gateway.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* A sidecar container in both modes: only so does it stop after the gateway, and reads the journal to its end. No
probe: it is never a reason to send requests elsewhere, and its own watchdog ends it when it hangs. */}}
{{- define "sidecar.observersContainer" -}}
name: sidecar-observers
image: {{ include "sidecar.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
restartPolicy: Always
args:
  - observe
  - --data=/data
  {{- if .Values.adminToken.existingSecret }}
  - --admin=:{{ .Values.ports.admin }}
  - --admin-token-file=/run/secrets/sidecar/admin/{{ .Values.adminToken.secretKey }}
  {{- else }}
  - --admin=127.0.0.1:{{ .Values.ports.admin }}
  {{- end }}
  {{- if include "sidecar.keySecret" . }}
  - --secret-file=/run/secrets/sidecar/key/{{ .Values.key.secretKey }}
  {{- end }}
  - --access-log={{ .Values.observers.accessLog }}
  - --flush-timeout={{ .Values.shutdown.flushSeconds }}s
{{- with .Values.observers.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.adminToken.existingSecret }}
ports:
  - {name: admin, containerPort: {{ .Values.ports.admin }}}
{{- end }}
resources: {{- toYaml .Values.observers.resources | nindent 2 }}
securityContext: {{- include "sidecar.containerSecurityContext" . | nindent 2 }}
volumeMounts:
  - {name: sidecar-data, mountPath: /data}
  {{- if include "sidecar.keySecret" . }}
  - {name: sidecar-key, mountPath: /run/secrets/sidecar/key, readOnly: true}
  {{- end }}
  {{- if .Values.adminToken.existingSecret }}
  - {name: sidecar-admin-token, mountPath: /run/secrets/sidecar/admin, readOnly: true}
  {{- end }}
  {{- with .Values.observers.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "sidecar.volumes" -}}
- name: sidecar-data
  {{- with .Values.volume }}
  {{- if eq .type "existingClaim" }}
  persistentVolumeClaim: {claimName: {{ .existingClaim }}}
  {{- else if eq .type "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: {{ .size }}}}
        {{- with .storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
  {{- else }}
  emptyDir: {sizeLimit: {{ .size }}}
  {{- end }}
  {{- end }}
- name: sidecar-policies
  configMap: {name: {{ include "sidecar.configName" . }}}
- name: sidecar-podinfo
  downwardAPI:
    items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
{{- with include "sidecar.keySecret" . }}
- name: sidecar-key
  secret: {secretName: {{ . }}, defaultMode: 0400}
{{- end }}
{{- with .Values.adminToken.existingSecret }}
- name: sidecar-admin-token
  secret: {secretName: {{ . }}, defaultMode: 0400}
{{- end }}
{{- with .Values.feedbackToken.existingSecret }}
- name: sidecar-feedback-token
  secret: {secretName: {{ . }}, defaultMode: 0400}
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: sidecar-tls
  secret: {secretName: {{ . }}, defaultMode: 0400}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
