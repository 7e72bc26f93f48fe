// Alerts on what Event Grid and the app report. Each description names its heading in docs/operate.md.
param token string
param location string
param tags object
param topicId string
param workspaceId string
param email string

// Severity 0 is critical: events are lost. 1 is an error: events wait for a person. 2 is a warning: events are late.
var onTopic = [
  {
    name: 'event-grid-dropped'
    severity: 0
    metric: 'DroppedEventCount'
    threshold: 0
    summary: 'Event Grid lost events: it could not write to the dead-letter container.'
  }
  {
    name: 'event-grid-dead-letters'
    severity: 1
    metric: 'DeadLetteredCount'
    threshold: 0
    summary: 'Event Grid stopped retrying events and wrote them to the dead-letter container.'
  }
  {
    name: 'event-grid-failures'
    severity: 2
    metric: 'DeliveryAttemptFailCount'
    threshold: 10
    summary: 'Deliveries to the functions fail repeatedly. Event Grid retries them.'
  }
]

// The app writes one record for each delivery. Its text is the same with and without OpenTelemetry.
var inLogs = [
  {
    name: 'dead-letters'
    severity: 1
    threshold: 0
    summary: 'The app wrote events to its dead-letter queue. The records say why.'
    query: 'AppTraces | where Message startswith "delivery " and Message contains "fate=dead_lettered"'
  }
  {
    name: 'function-failures'
    severity: 2
    threshold: 10
    summary: 'Deliveries fail repeatedly in the app, or the Functions host refuses them. Event Grid retries them.'
    // The host may log the record of a failed delivery twice.
    query: 'union (AppTraces | where Message startswith "delivery " and Message contains "fate=raised" | summarize TimeGenerated = max(TimeGenerated) by OperationId, Message), (AppExceptions | where tostring(Properties) has "ExceptionMiddleware" or ExceptionType has_any ("FunctionTimeoutException", "WorkerProcessExitException"))'
  }
]

resource receivers 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'acs-events'
    emailReceivers: [
      { name: 'operator', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

var receiverIds = empty(email) ? [] : [receivers.id]

resource topicAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in onTopic: {
    name: '${alert.name}-${token}'
    location: 'global'
    tags: tags
    properties: {
      description: '${alert.summary} See "Alert: ${alert.name}" in docs/operate.md.'
      severity: alert.severity
      enabled: true
      scopes: [topicId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.metric
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: alert.metric
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      actions: map(receiverIds, id => { actionGroupId: id })
    }
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for alert in inLogs: {
    name: '${alert.name}-${token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      description: '${alert.summary} See "Alert: ${alert.name}" in docs/operate.md.'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT15M'
      // Twice the frequency: records may arrive minutes late.
      windowSize: 'PT30M'
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      // A new workspace has no tables yet.
      skipQueryValidation: true
      autoMitigate: true
      actions: { actionGroups: receiverIds }
    }
  }
]
