{{- define "noclobber.name" -}}
{{- if contains "noclobber" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-noclobber" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end -}}

{{- define "noclobber.selector" -}}
app.kubernetes.io/name: noclobber
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "noclobber.labels" -}}
{{ include "noclobber.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
