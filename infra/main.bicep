targetScope = 'subscription'

import { subscriptions } from 'event-subscriptions.bicep'

@description('Name of the environment. The names of the resources derive from it, the location and the subscription.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region that offers Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Resource id of an existing Communication Services resource. If empty, a new one is created.')
param communicationServiceId string = ''

@description('Where a new Communication Services resource keeps its data. It cannot be changed later.')
param communicationDataLocation string = 'United States'

@description('Resource id of the system topic of the Communication Services resource. If empty, a new one is created. A resource can have only one.')
param systemTopicId string = ''

@description('Resource id of an existing storage account for the outcomes. If empty, a new one is created.')
param outcomeStorageAccountId string = ''

@description('Chat events: one for each recipient (user), one for the thread (thread), or both.')
@allowed(['user', 'thread', 'both'])
param chatLevel string = 'user'

@description('Whether the app sends logs, traces and metrics with OpenTelemetry. If not, the Functions host sends the logs only.')
param openTelemetry bool = true

@description('Seconds until an unread outcome is deleted from its queue. -1 means never. Dead letters never expire.')
param outcomeTtlSeconds int = -1

@description('Days until documents over 48 KiB and the dead letters of Event Grid are deleted. Must be longer than any outage of a consumer: a message without its document is useless. Applies to a new storage account only.')
@minValue(1)
param retentionDays int = 90

@description('Number of always-ready instances of each function. With 0, the first event after a pause waits for a cold start.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('E-mail address for the alerts. If empty, alerts show in the portal only.')
param alertEmail string = ''

@description('Object id of the user or group that runs `python -m ops` on this deployment. If empty, no role is assigned.')
param operatorPrincipalId string = ''

func queueName(family string) string => 'acs-${replace(family, '_', '-')}'

// Queues, roles and app settings follow from the names of the functions.
var functions = map(subscriptions, subscription => subscription.function)
var queueSettings = toObject(functions, name => '${toUpper(name)}_QUEUE', name => queueName(name))
var deadLetterQueue = 'acs-dead-letter'
var oversizeContainer = 'acs-outcomes'
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
  params: {
    name: outcomeAccount[8]
    location: location
    tags: tags
    expiringContainers: union([oversizeContainer], deadLetterContainers)
    retentionDays: retentionDays
  }
}

module outcomes 'modules/outcomes.bicep' = {
  name: 'outcomes-${token}'
  scope: resourceGroup(outcomeAccount[2], outcomeAccount[4])
  params: {
    accountName: outcomeAccount[8]
    outcomeQueues: map(functions, name => queueName(name))
    deadLetterQueue: deadLetterQueue
    oversizeContainer: oversizeContainer
    deadLetterContainers: deadLetterContainers
    appPrincipalId: identity.outputs.principalId
    topicPrincipalId: topicPrincipalId
    operatorPrincipalId: operatorPrincipalId
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
    hostAccountName: hostAccount.outputs.name
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    packageContainerUrl: hostStorage.outputs.packageContainerUrl
    insightsConnectionString: monitoring.outputs.connectionString
    openTelemetry: openTelemetry
    functions: functions
    alwaysReadyInstances: alwaysReadyInstances
    settings: {
      ...queueSettings
      DEAD_LETTER_QUEUE: deadLetterQueue
      OVERSIZE_CONTAINER: oversizeContainer
      ACS_SOURCES: acsSource
      OUTCOME_TTL_SECONDS: string(outcomeTtlSeconds)
      OutcomesStorage__queueServiceUri: outcomes.outputs.queueEndpoint
      OutcomesStorage__blobServiceUri: outcomes.outputs.blobEndpoint
      OutcomesStorage__credential: 'managedidentity'
      OutcomesStorage__clientId: identity.outputs.clientId
    }
  }
}

module diagnostics 'modules/topic-diagnostics.bicep' = {
  name: 'topic-diagnostics-${token}'
  scope: resourceGroup(topic[2], topic[4])
  params: { name: 'acs-events-${token}', topicName: topic[8], workspaceId: monitoring.outputs.workspaceId }
  dependsOn: [newTopic]
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
