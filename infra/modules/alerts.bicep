// Tells what was refused, given up or failed.
param token string
param location string
param tags object
param topicId string
param workspaceId string
param email string

var onTopic = [
  { name: 'event-grid-dead-letters', metric: 'DeadLetteredCount', over: 0, says: 'Event Grid gave up events, and keeps them in the dead-letter container.' }
  { name: 'event-grid-dropped', metric: 'DroppedEventCount', over: 0, says: 'Event Grid lost events: it could not write to the dead-letter container.' }
  { name: 'event-grid-failures', metric: 'DeliveryAttemptFailCount', over: 10, says: 'Deliveries fail again and again, and Event Grid repeats them.' }
]

// The app writes one record of each delivery; its text is the same with and without OpenTelemetry.
var inLogs = [
  {
    name: 'dead-letters'
    over: 0
    says: 'The app put events on its dead-letter queue; the records say why.'
    query: 'AppTraces | where Message startswith "delivery " and Message contains "fate=dead_lettered"'
  }
  {
    name: 'function-failures'
    over: 10
    says: 'Functions fail again and again: look at the records of deliveries that were raised.'
    query: 'union (AppRequests | where Success == false and ResultCode !in ("401", "404")), (AppTraces | where Message startswith "delivery " and Message contains "fate=raised") | summarize TimeGenerated = max(TimeGenerated) by OperationId'
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
      description: alert.says
      severity: 1
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
            threshold: alert.over
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
      description: alert.says
      severity: 1
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
            threshold: alert.over
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
