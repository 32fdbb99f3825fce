{{/* What several templates say in the same words. */}}
{{- define "notifications.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "notifications.labels" -}}
{{ include "notifications.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: shop
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "notifications.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "notifications.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "notifications.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A Pod of the hooks and the test: the image's client with one argument. Call with (list $ "backup"). */}}
{{- define "notifications.client" -}}
{{- $ := index . 0 -}}
serviceAccountName: {{ $.Release.Name }}
automountServiceAccountToken: false
restartPolicy: Never
securityContext:
  {{- include "notifications.podSecurity" $ | nindent 2 }}
containers:
  - name: {{ index . 1 }}
    image: {{ include "notifications.image" $ }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    command: [python, -m, notifications.client, {{ index . 1 }}]
    env:
      - name: NOTIFICATIONS_URL
        value: http://{{ $.Release.Name }}:8080
    resources:
      requests:
        cpu: 100m
        memory: 64Mi
      limits:
        memory: 64Mi
    securityContext:
      {{- include "notifications.containerSecurity" $ | nindent 6 }}
{{- end }}
