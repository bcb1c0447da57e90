{{- define "opspawn.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "opspawn.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "opspawn.labels" -}}
{{ include "opspawn.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opspawn
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "opspawn.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "opspawn.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "opspawn.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag -}}
{{- end -}}

{{- define "opspawn.buildId" -}}
{{- default (include "opspawn.tag" .) .Values.versioning.buildId -}}
{{- end -}}

{{/* As the worker controller names it: NAMESPACE/NAME. */}}
{{- define "opspawn.deploymentName" -}}
{{- if .Values.workerController.enabled -}}
{{- printf "%s/%s-worker" .Release.Namespace (include "opspawn.fullname" .) -}}
{{- else -}}
{{- default (include "opspawn.fullname" .) .Values.versioning.deploymentName -}}
{{- end -}}
{{- end -}}

{{/* The image of a tag; the digest belongs to the newest one. */}}
{{- define "opspawn.image" -}}
{{- $tag := default (include "opspawn.tag" .root) .tag -}}
{{- if and .root.Values.image.digest (not .tag) -}}
{{- printf "%s@%s" .root.Values.image.repository .root.Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .root.Values.image.repository $tag -}}
{{- end -}}
{{- end -}}

{{/* The relay's address of each API process, which workers send tokens to. */}}
{{- define "opspawn.relayAddresses" -}}
{{- $name := printf "%s-api" (include "opspawn.fullname" .) -}}
{{- $addresses := list -}}
{{- range $number := until (int .Values.api.replicas) -}}
{{- $addresses = append $addresses (printf "%s-%d.%s-pods:8001" $name $number $name) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{- define "opspawn.secretName" -}}
{{- ternary (printf "%s-env" (include "opspawn.fullname" .)) .Values.secrets.existingSecret .Values.secrets.externalSecret.enabled -}}
{{- end -}}

{{- define "opspawn.workerSecretName" -}}
{{- $made := and .Values.secrets.externalSecret.enabled .Values.secrets.externalSecret.workerData -}}
{{- if $made -}}{{ include "opspawn.fullname" . }}-worker-env{{- else -}}{{ .Values.secrets.workerExistingSecret }}{{- end -}}
{{- end -}}

{{/* What no schema can say. */}}
{{- define "opspawn.check" -}}
{{- if not (or .Values.auth.keysSecret.name .Values.auth.oidc.issuer) -}}
{{- fail "Set auth.keysSecret.name or auth.oidc.issuer: without keys the API refuses to listen on the network" -}}
{{- end -}}
{{- if ne (empty .Values.auth.oidc.issuer) (empty .Values.auth.oidc.audience) -}}
{{- fail "Set auth.oidc.issuer and auth.oidc.audience together" -}}
{{- end -}}
{{- if not (or .Values.payloads.storage .Values.payloads.existingClaim) -}}
{{- fail "Set payloads.storage (s3://BUCKET/PREFIX) or payloads.existingClaim: API and workers share large payloads" -}}
{{- end -}}
{{- if and .Values.workerController.enabled (or .Values.keda.enabled .Values.versioning.enabled) -}}
{{- fail "workerController replaces keda and versioning: enable it, or them" -}}
{{- end -}}
{{- if and .Values.telemetry.podMonitor.enabled (not (or .Values.telemetry.openMetrics .Values.telemetry.podMonitor.apiKeySecret.name)) -}}
{{- fail "Set telemetry.podMonitor.apiKeySecret.name, or telemetry.openMetrics: /metrics of the API needs a key otherwise" -}}
{{- end -}}
{{- if and .Values.secrets.externalSecret.enabled (or .Values.secrets.existingSecret .Values.secrets.workerExistingSecret) -}}
{{- fail "secrets.externalSecret makes what secrets.existingSecret and secrets.workerExistingSecret name: set one of them" -}}
{{- end -}}
{{- end -}}

{{/* A pod. Takes root, component (api, worker, setup), and optionally buildId and tag. */}}
{{- define "opspawn.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $fullname := include "opspawn.fullname" $root -}}
{{- $own := dict -}}
{{- if ne .component "setup" -}}{{- $own = get $values .component -}}{{- end -}}
serviceAccountName: {{ include "opspawn.serviceAccountName" $root }}
automountServiceAccountToken: false
# A Service named opspawn would set OPSPAWN_PORT to tcp://...
enableServiceLinks: false
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- if eq .component "worker" }}
terminationGracePeriodSeconds: {{ add $values.worker.shutdownTimeout 15 }}
{{- else if eq .component "api" }}
terminationGracePeriodSeconds: {{ $values.api.terminationGracePeriodSeconds }}
{{- end }}
{{- if $own.topologySpread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "opspawn.selectorLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "opspawn.image" (dict "root" $root "tag" .tag) | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [{{ .component }}]
    securityContext:
      allowPrivilegeEscalation: false
      privileged: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    envFrom:
      - configMapRef: {name: {{ $fullname }}}
      {{- if eq .component "worker" }}
      - configMapRef: {name: {{ $fullname }}-worker}
      {{- else if eq .component "api" }}
      - configMapRef: {name: {{ $fullname }}-api}
      {{- end }}
      {{- with include "opspawn.secretName" $root }}
      - secretRef: {name: {{ . }}}
      {{- end }}
      {{- if eq .component "worker" }}
      {{- with include "opspawn.workerSecretName" $root }}
      - secretRef: {name: {{ . }}}
      {{- end }}
      {{- end }}
    {{- if or $values.temporal.apiKeySecret.name .buildId }}
    env:
      {{- with $values.temporal.apiKeySecret }}
      {{- if .name }}
      - name: TEMPORAL_API_KEY
        valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
      {{- end }}
      {{- end }}
      {{- with .buildId }}
      - {name: OPSPAWN_BUILD_ID, value: {{ . | quote }}}
      {{- end }}
    {{- end }}
    {{- if eq .component "api" }}
    ports:
      - {name: http, containerPort: 8000}
      - {name: grpc, containerPort: 50051}
      - {name: relay, containerPort: 8001}
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe: # also waits for Temporal, and for a worker that polls
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 10
    {{- else if eq .component "worker" }}
    ports:
      - {name: metrics, containerPort: 9464}
    startupProbe:
      httpGet: {path: /metrics, port: metrics}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /metrics, port: metrics}
      periodSeconds: 15
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /metrics, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 5
    {{- end }}
    resources:
      {{- if $own.resources }}
      {{- toYaml $own.resources | nindent 6 }}
      {{- else }}
      requests: {cpu: 100m, memory: 256Mi}
      limits: {memory: 512Mi}
      {{- end }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/opspawn}
      - {name: tmp, mountPath: /tmp}
      {{- if and (eq .component "api") $values.auth.keysSecret.name }}
      - {name: keys, mountPath: /etc/opspawn, readOnly: true}
      {{- end }}
      {{- if $values.temporal.tls.existingSecret }}
      - {name: temporal-tls, mountPath: /etc/temporal-tls, readOnly: true}
      {{- end }}
      {{- if and $values.api.relayTlsSecret (ne .component "setup") }}
      - {name: relay-tls, mountPath: /etc/relay-tls, readOnly: true}
      {{- end }}
volumes:
  - name: data
    {{- if and $values.payloads.existingClaim (ne .component "setup") }}
    persistentVolumeClaim: {claimName: {{ $values.payloads.existingClaim }}}
    {{- else }}
    emptyDir: {sizeLimit: 4Gi}
    {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: {{ eq .component "worker" | ternary $values.worker.tmpSizeLimit "64Mi" }}}
  {{- if and (eq .component "api") $values.auth.keysSecret.name }}
  - name: keys
    secret:
      secretName: {{ $values.auth.keysSecret.name }}
      items: [{key: {{ $values.auth.keysSecret.key }}, path: keys.json}]
      defaultMode: 0440
  {{- end }}
  {{- with $values.temporal.tls.existingSecret }}
  - name: temporal-tls
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
  {{- if and $values.api.relayTlsSecret (ne .component "setup") }}
  - name: relay-tls
    secret:
      secretName: {{ $values.api.relayTlsSecret }}
      defaultMode: 0440
      {{- if eq .component "worker" }}
      items: [{key: ca.crt, path: ca.crt}]
      {{- end }}
  {{- end }}
{{- end -}}

{{/* A worker's pod template. Takes root, and optionally buildId and tag. */}}
{{- define "opspawn.workerTemplate" -}}
metadata:
  labels:
    {{- include "opspawn.selectorLabels" .root | nindent 4 }}
    {{- with .root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    app.kubernetes.io/component: worker
    {{- with .buildId }}
    opspawn/build-id: {{ include "opspawn.labelValue" . }}
    {{- end }}
  annotations:
    checksum/config: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
    {{- with .root.Values.worker.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "opspawn.pod" (merge (dict "component" "worker") .) | nindent 2 }}
{{- end -}}

{{/* A build id in names and labels. */}}
{{- define "opspawn.labelValue" -}}
{{- . | lower | replace "." "-" | replace "_" "-" | replace "+" "-" | replace "@" "-" | trunc 14 | trimSuffix "-" }}-{{ . | sha256sum | trunc 6 }}
{{- end -}}
