// Subscribes the functions to the system topic. Deployed to the topic's resource group, and can be repeated.
// The functions must be deployed first: Event Grid checks that they exist.

@description('Name of the system topic. Its identity writes to the dead-letter container.')
param systemTopicName string

@description('Resource id of the function app.')
param functionAppId string

@description('Resource id of the storage account that has the dead-letter container.')
param deadLetterStorageAccountId string

@description('Chat events: one for each recipient (user), one for the thread (thread), or both.')
@allowed(['user', 'thread', 'both'])
param chatLevel string

var levels = {
  user: ['always', 'user']
  thread: ['always', 'thread']
  both: ['always', 'user', 'thread']
}
var content = loadJsonContent('event-subscriptions.json')

@export()
@description('The subscriptions of event-subscriptions.json, with the defaults applied.')
var subscriptions object[] = map(content.subscriptions, entry => {
  name: replace(entry.function, '_', '-')
  ...content.defaults
  ...entry
})

var eventTypes = map(
  subscriptions,
  subscription => flatten(map(levels[chatLevel], level => subscription.includedEventTypes[?level] ?? []))
)

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

// One at a time: each makes Event Grid call Communication Services, which refuses several calls at once.
@batchSize(1)
resource eventSubscriptions 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  // To Event Grid, an empty list of types means all types.
  for (subscription, index) in subscriptions: if (!empty(eventTypes[index])) {
    parent: topic
    name: subscription.name
    properties: {
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: '${functionAppId}/functions/${subscription.function}'
          maxEventsPerBatch: subscription.maxEventsPerBatch
          preferredBatchSizeInKilobytes: subscription.preferredBatchSizeInKilobytes
        }
      }
      filter: {
        includedEventTypes: eventTypes[index]
        subjectBeginsWith: subscription.subjectBeginsWith
        subjectEndsWith: subscription.subjectEndsWith
      }
      eventDeliverySchema: subscription.eventDeliverySchema
      retryPolicy: subscription.retryPolicy
      deadLetterWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: {
            resourceId: deadLetterStorageAccountId
            blobContainerName: subscription.deadLetterContainer
          }
        }
      }
    }
  }
]
