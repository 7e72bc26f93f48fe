// The queues and containers of the outcome account, and the roles on each of them.
param accountName string
param outcomeQueues string[]
param deadLetterQueue string
param oversizeContainer string
param deadLetterContainers string[]
param appPrincipalId string
param topicPrincipalId string
param operatorPrincipalId string

var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var storageQueueDataReader = '19e7f393-937e-4f77-808e-94535e297925'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

var queueNames = [...outcomeQueues, deadLetterQueue]
var containers = [
  { name: oversizeContainer, writer: appPrincipalId }
  ...map(deadLetterContainers, name => { name: name, writer: topicPrincipalId })
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: accountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for name in queueNames: {
    parent: queueService
    name: name
  }
]

resource senders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in queueNames: {
    name: guid(account.id, name, appPrincipalId, storageQueueDataMessageSender)
    scope: queues[index]
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
    }
  }
]

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for container in containers: {
    parent: blobService
    name: container.name
  }
]

resource writers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in containers: {
    name: guid(blobContainers[index].id, container.writer, storageBlobDataContributor)
    scope: blobContainers[index]
    properties: {
      principalId: container.writer
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    }
  }
]

// An operator may count and peek outcomes, and change and delete dead letters.
resource queueOperators 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in queueNames: if (!empty(operatorPrincipalId)) {
    name: guid(queues[index].id, operatorPrincipalId)
    scope: queues[index]
    properties: {
      principalId: operatorPrincipalId
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        name == deadLetterQueue ? storageQueueDataContributor : storageQueueDataReader
      )
    }
  }
]

resource containerOperators 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in containers: if (!empty(operatorPrincipalId)) {
    name: guid(blobContainers[index].id, operatorPrincipalId)
    scope: blobContainers[index]
    properties: {
      principalId: operatorPrincipalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    }
  }
]

output queueEndpoint string = account.properties.primaryEndpoints.queue
output blobEndpoint string = account.properties.primaryEndpoints.blob
