// What is written to in the outcome account, and who may write it: each role on one queue or container.
param accountName string
param queueNames string[]
param oversizeContainer string
param deadLetterContainers string[]
param appPrincipalId string
param topicPrincipalId string

var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

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

resource oversize 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobService
  name: oversizeContainer
}

resource oversizeWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(oversize.id, appPrincipalId, storageBlobDataContributor)
  scope: oversize
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for name in deadLetterContainers: {
    parent: blobService
    name: name
  }
]

resource deadLetterWriters 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in deadLetterContainers: {
    name: guid(deadLetters[index].id, topicPrincipalId, storageBlobDataContributor)
    scope: deadLetters[index]
    properties: {
      principalId: topicPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    }
  }
]

output queueEndpoint string = account.properties.primaryEndpoints.queue
output blobEndpoint string = account.properties.primaryEndpoints.blob
