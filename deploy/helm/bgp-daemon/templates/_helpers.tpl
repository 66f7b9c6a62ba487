{{- define "bgp-daemon.name" -}}
{{- if contains "bgp-daemon" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-bgp-daemon" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "bgp-daemon.account" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "bgp-daemon.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "bgp-daemon.selector" -}}
app.kubernetes.io/name: bgp-daemon
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bgp-daemon.labels" -}}
{{ include "bgp-daemon.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "bgp-daemon.subject" -}}
- kind: ServiceAccount
  name: {{ include "bgp-daemon.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "bgp-daemon.runDirectory" -}}
{{- if eq .Values.mode "standalone" }}/var/run/bgp-daemon{{ else }}/var/run/calico{{ end }}
{{- end }}

{{- define "bgp-daemon.onNode" -}}
{{- if or .Values.http.onNode .Values.podMonitor.enabled }}true{{ end }}
{{- end }}

{{- define "bgp-daemon.kernelRoutes" -}}
{{- if kindIs "bool" .Values.kernelRoutes }}{{ .Values.kernelRoutes }}{{ else }}{{ ne .Values.mode "standalone" }}{{ end }}
{{- end }}
