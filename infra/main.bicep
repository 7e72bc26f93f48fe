targetScope = 'subscription'

import { subscriptions } from 'event-subscriptions.bicep'

@description('Names the resources, with the location and the subscription.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region that offers Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Resource id of an existing Communication Services resource. Empty makes a new one.')
param communicationServiceId string = ''

@description('Where a new Communication Services resource keeps its data.')
param communicationDataLocation string = 'United States'

@description('Resource id of the system topic that the Communication Services resource may have already.')
param systemTopicId string = ''

@description('Resource id of an existing storage account for the outcomes. Empty makes a new one.')
param outcomeStorageAccountId string = ''

@description('Chat events for each recipient, for the thread as a whole, or both.')
@allowed(['user', 'thread', 'both'])
param chatLevel string = 'user'

@description('Logs, traces and metrics by OpenTelemetry, instead of by the host alone.')
param openTelemetry bool = true

@description('Seconds that an outcome waits in its queue before it is deleted unread. -1 keeps it for ever. Dead letters never expire.')
param outcomeTtlSeconds int = -1

@description('Who gets the alerts by e-mail. Empty tells nobody: they show in the portal.')
param alertEmail string = ''

// The app's settings and the names they give; queues, roles and app settings are all made from these.
var queues = {
  SMS_QUEUE: 'acs-sms'
  CHAT_MESSAGE_QUEUE: 'acs-chat-message'
  CHAT_THREAD_QUEUE: 'acs-chat-thread'
  MEMBERSHIP_QUEUE: 'acs-membership'
  DEAD_LETTER_QUEUE: 'acs-dead-letter'
}
var containers = { OVERSIZE_CONTAINER: 'acs-outcomes' }
var deadLetterContainers = union(map(subscriptions, subscription => subscription.deadLetterContainer), [])

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var groupName = 'rg-${environmentName}'
var providers = '${subscription().id}/resourceGroups/${groupName}/providers'
var topicId = empty(systemTopicId) ? '${providers}/Microsoft.EventGrid/systemTopics/evgt-${token}' : systemTopicId
var outcomeAccountId = empty(outcomeStorageAccountId)
  ? '${providers}/Microsoft.Storage/storageAccounts/stout${token}'
  : outcomeStorageAccountId
var topic = split(topicId, '/')
var outcomeAccount = split(outcomeAccountId, '/')

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: groupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { name: 'id-${token}', location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: { token: token, location: location, tags: tags, appPrincipalId: identity.outputs.principalId }
}

module communication 'modules/communication.bicep' = if (empty(communicationServiceId) && empty(systemTopicId)) {
  name: 'communication'
  scope: group
  params: { name: 'acs-${token}', dataLocation: communicationDataLocation, tags: tags }
}

module newTopic 'modules/system-topic.bicep' = if (empty(systemTopicId)) {
  name: 'system-topic'
  scope: group
  params: {
    name: topic[8]
    source: empty(communicationServiceId) && empty(systemTopicId) ? communication!.outputs.id : communicationServiceId
    tags: tags
  }
}

resource existingTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!empty(systemTopicId)) {
  name: topic[8]
  scope: resourceGroup(topic[2], topic[4])
}

var topicPrincipalId = empty(systemTopicId) ? newTopic!.outputs.principalId : existingTopic!.identity.principalId
var acsSource = empty(systemTopicId) ? newTopic!.outputs.source : existingTopic!.properties.source

module newOutcomeAccount 'modules/storage-account.bicep' = if (empty(outcomeStorageAccountId)) {
  name: 'outcome-storage-account'
  scope: group
  params: { name: outcomeAccount[8], location: location, tags: tags }
}

module outcomes 'modules/outcomes.bicep' = {
  name: 'outcomes-${token}'
  scope: resourceGroup(outcomeAccount[2], outcomeAccount[4])
  params: {
    accountName: outcomeAccount[8]
    queueNames: map(items(queues), queue => queue.value)
    oversizeContainer: containers.OVERSIZE_CONTAINER
    deadLetterContainers: deadLetterContainers
    appPrincipalId: identity.outputs.principalId
    topicPrincipalId: topicPrincipalId
  }
  dependsOn: [newOutcomeAccount]
}

module hostAccount 'modules/storage-account.bicep' = {
  name: 'host-storage-account'
  scope: group
  params: { name: 'sthost${token}', location: location, tags: tags }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: { accountName: hostAccount.outputs.name, appPrincipalId: identity.outputs.principalId }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    packageContainerUrl: hostStorage.outputs.packageContainerUrl
    insightsConnectionString: monitoring.outputs.connectionString
    openTelemetry: openTelemetry
    settings: union(queues, containers, {
      ACS_SOURCES: acsSource
      OUTCOME_TTL_SECONDS: string(outcomeTtlSeconds)
      OutcomesStorage__queueServiceUri: outcomes.outputs.queueEndpoint
      OutcomesStorage__blobServiceUri: outcomes.outputs.blobEndpoint
      OutcomesStorage__credential: 'managedidentity'
      OutcomesStorage__clientId: identity.outputs.clientId
    })
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    topicId: topicId
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
  }
  dependsOn: [newTopic]
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_ID string = app.outputs.id
output SYSTEM_TOPIC_ID string = topicId
output OUTCOME_STORAGE_ACCOUNT_ID string = outcomeAccountId
output CHAT_LEVEL string = chatLevel
