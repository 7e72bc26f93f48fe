// Sends the errors that Event Grid gets from the functions to the workspace.
param name string
param topicName string
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource failures 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: topic
  properties: {
    workspaceId: workspaceId
    // Records go to the table AegDeliveryFailureLogs, which docs/operate.md queries.
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}
