{{- define "moaoff.labels" -}}
app.kubernetes.io/name: moaoff
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "moaoff.secure" -}}
{{- if not (or .Values.keysSecret .Values.insecure) }}
{{- fail "give keysSecret, or say insecure: true: without keys every pod that reaches the gateway may use it" }}
{{- end }}
{{- end }}
{{- define "moaoff.config" -}}
{{- $listen := dict "host" "0.0.0.0" "port" .Values.port "insecure" (not .Values.keysSecret) }}
{{- $own := dict "listen" $listen }}
{{- if .Values.keysSecret }}
{{- $_ := set $own "keys_file" "/etc/moaoff/secrets/keys" }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) }}
{{- end }}
